/** Single files of an operator, compressed or encrypted in place, and back. */
export { convert } from "./convert.ts";
export { conversions, formOf, type Conversion, type ConversionProgress, type Converted, type ConvertOptions } from "./convert-options.ts";
export { convertErrors } from "./errors.ts";
