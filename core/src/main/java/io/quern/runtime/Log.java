package io.quern.runtime;

/** The log, loaded with the first message: the JVM's logging takes as long as opening a device. */
public final class Log {
  private static final System.Logger LOGGER = System.getLogger("io.quern");

  private Log() {}

  /** The logger {@code io.quern}. */
  public static System.Logger get() {
    return LOGGER;
  }
}
