/**
 * Words of which the lines of our own programs are made. A line that has one says nothing about a password that happens
 * to be the same word; to take it out would tear the line apart, and betray the password to whoever knows the line.
 */
const words =
  "again anew another answer apart archived archiver archiving attempt back backup backups begins behind blocks both branch broke " +
  "busy called came cannot catalog child close closed cluster compared complete configuration connecting connection connections " +
  "contact could created daemon damaged database delivered disk does dropped earlier ended ends error failed failure fatal file " +
  "files first follows form found free from full given gives gone goodbye history host ignored info keeps kept killed known last " +
  "left level life listener lists looked main management many message missing moment moneta more next nothing offline once online " +
  "opened orderly pages part password port postgres postgresql primary process processes proven read reading ready received " +
  "receiver receiving recorded recovery refused release remains removed removes replaced replica replication report reported " +
  "request restart restore restored role safe said secret segment segments server servers should sign signal size slot slots " +
  "space standby start started stays still stop stopped stopping storage stored stream streaming supervisor table take test that " +
  "them there they this time timeline unexpected unfinished user version view waited waiting waits warning warnings what whether " +
  "which with within write written";

const known: ReadonlySet<string> = new Set(words.split(" "));

const isLetter = (character: string | undefined): boolean => character !== undefined && /\p{L}/u.test(character);

/** Where somebody writes a value down: after a quote, `=`, `:` or the word password, before a quote or the `@` of an address; or it is all of the text. */
function isPlaceOfValue(text: string, start: number, end: number): boolean {
  const before = text.slice(Math.max(0, start - 16), start);
  const whole = start === 0 && end === text.length;
  return whole || /(?:["'`=]|[=:]\s|\b(?:pass(?:word|phrase)?|secret)\s+)$/i.test(before) || /^["'`@]/.test(text.slice(end, end + 1));
}

/** Whether the letters of `text` from `start` to `end` are (part of) a word of our own, where no secret can stand. */
export function isOwnWord(text: string, start: number, end: number): boolean {
  let first = start;
  let last = end;
  while (isLetter(text[first - 1])) first -= 1;
  while (isLetter(text[last])) last += 1;
  return known.has(text.slice(first, last).toLowerCase()) && !isPlaceOfValue(text, first, last);
}
