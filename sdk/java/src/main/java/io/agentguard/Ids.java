package io.agentguard;

import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;

/** Identifiers that sort by time: UUIDv7. */
final class Ids {
  private Ids() {}

  static String next() {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    long high = (System.currentTimeMillis() << 16) | 0x7000L | (random.nextLong() & 0x0fffL);
    long low = 0x8000000000000000L | (random.nextLong() >>> 2);
    return new UUID(high, low).toString();
  }
}
