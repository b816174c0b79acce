import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { InvalidRequest } from "./errors.js";

/** Far beyond the 16 levels that the server takes; a circle has more. */
const MOST_LEVELS = 100;

/**
 * A copy of what the caller claims, without members that are undefined. What JSON does not have (a number that is not
 * finite, a bigint, a Date, a Map) is refused: sent as something else it could be decided differently than it is done.
 */
export function claimed(name: string, value: JsonObject | undefined): JsonObject | undefined {
  if (value === undefined) return undefined;
  const copy = plain(name, value, MOST_LEVELS);
  if (typeof copy !== "object" || copy === null || Array.isArray(copy)) throw new InvalidRequest(`\`${name}\` must be an object`);
  return copy;
}

/** Text that is sent as it is: half a surrogate pair would be sent as another character. */
export function text<T extends string | undefined>(name: string, value: T): T {
  if (value !== undefined && (typeof value !== "string" || /\p{Surrogate}/u.test(value))) throw new InvalidRequest(`\`${name}\` must be well-formed text`);
  return value;
}

function plain(name: string, value: unknown, levels: number): JsonValue {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return text(name, value);
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "object" && levels > 0) {
    if (Array.isArray(value)) return Array.from(value, (item) => plain(name, item, levels - 1));
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === null || Object.getPrototypeOf(prototype) === null) {
      const members = Object.entries(value).filter(([, member]) => member !== undefined);
      return Object.fromEntries(members.map(([key, member]) => [text(name, key), plain(name, member, levels - 1)]));
    }
  }
  throw new InvalidRequest(`\`${name}\` holds what JSON does not have, or too many levels`);
}
