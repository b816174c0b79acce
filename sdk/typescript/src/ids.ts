import { randomFillSync } from "node:crypto";

/** Chance for 256 ids at a time: asking for it is dearer than the rest of an id. */
const pool = Buffer.alloc(4096);
let used = pool.length;

/** A new UUID of version 7: 48 bits of time in milliseconds, then chance. */
export function uuid7(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = pool.subarray(used, (used += 16));
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
