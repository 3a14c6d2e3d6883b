/** Lines of what a child prints by itself (a crash, a warning of the runtime); long ones are cut, nothing is kept. */
export function createLineSplitter(onLine: (line: string) => void, limit = 2000): (piece: Buffer) => void {
  let rest = "";
  return (piece) => {
    const parts = (rest + piece.toString("utf8")).split("\n");
    rest = (parts.pop() ?? "").slice(0, limit);
    for (const line of parts) if (line.trim() !== "") onLine(line.slice(0, limit));
  };
}
