/** Says what happens, in 80 columns, with colour only for a person at a terminal who did not ask for none. */
export function createNarrator(stream = process.stdout) {
  const coloured = stream.isTTY === true && (process.env.NO_COLOR ?? "") === "" && process.env.TERM !== "dumb";
  const paint = (code) => (text) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text);
  const bold = paint("1");
  const dim = paint("2");
  const green = paint("32");
  const red = paint("31");
  const yellow = paint("33");
  const cyan = paint("36");
  let chapter = 0;
  const write = (line = "") => stream.write(`${line}\n`);

  return {
    bold,
    dim,
    green,
    red,
    title(text, below) {
      write();
      write(`  ${bold(text)}`);
      write(`  ${dim(below)}`);
    },
    chapter(text) {
      chapter += 1;
      write();
      write(`  ${cyan(String(chapter))}  ${bold(text)}`);
      write();
    },
    /** A paragraph in plain words. */
    say(text) {
      for (const line of wrap(text, 73)) write(`     ${line}`);
    },
    /** A command as the operator would type it. */
    command(text, ...continued) {
      write(`     ${dim("$")} ${yellow(text)}`);
      for (const line of continued) write(`         ${yellow(line)}`);
    },
    /** What a program answered. */
    answer(text) {
      for (const line of text.trimEnd().split("\n")) write(`     ${line}`);
    },
    /** A name and its figure, aligned. */
    fact(name, value) {
      write(`     ${name.padEnd(26)}${bold(value)}`);
    },
    alarm(text) {
      for (const line of wrap(text, 73)) write(`     ${red(line)}`);
    },
    gap() {
      write();
    },
    /** Rows of cells; the first row is the head, columns after the first are figures. */
    table(rows) {
      const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
      for (const [index, row] of rows.entries()) {
        const cells = row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])));
        const line = cells.join("   ");
        write(`     ${index === 0 ? dim(line) : line}`);
      }
    },
    verdict(good, text) {
      write();
      for (const line of wrap(text, 76)) write(`  ${good ? green(line) : red(line)}`);
      write();
    },
  };
}

function wrap(text, width) {
  const lines = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** 1,234,567 */
export const count = (value) => Number(value).toLocaleString("en-US");

/** The space does not break, so that a figure keeps its unit. */
export const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(1)}\u00a0s`;

export function bytes(value) {
  const units = ["bytes", "kB", "MB", "GB"];
  let amount = Number(value);
  let unit = 0;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${units[unit]}`;
}

/** The milliseconds that some work took, and what it yielded. */
export async function timed(work) {
  const start = performance.now();
  const result = await work();
  return { result, milliseconds: performance.now() - start };
}
