package io.quern.cpu;

import io.quern.runtime.Knob;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.management.JMException;
import javax.management.ObjectName;

/**
 * Keeps the JVM's first compiler away from methods of ours that are long chains of vector
 * operations: C1 gives up on them ("out of virtual registers in LIR generator"), and what it has
 * given up on is never handed to C2.
 */
public final class CompilerAdvice {
  private static final Knob ADVICE =
      Knob.of(
          "quern.compilerDirectives",
          "off",
          "on lets the JVM compile the largest kernel whole, which is faster but takes long");

  private static final String DIRECTIVES =
      "[{match: [\"io/quern/cpu/gemm/VectorMicroKernel8.tile\"], c1: {Exclude: true}}]";

  private CompilerAdvice() {}

  /** Apart from the class itself, so that the JVM is told once. */
  private static final class Given {
    static final boolean DONE = ADVICE.isOn() && give();
  }

  /** Tells the JVM; whether it listens. */
  public static boolean isGiven() {
    return Given.DONE;
  }

  private static boolean give() {
    try {
      Path file = Files.createTempFile("quern", ".json");
      try {
        Files.writeString(file, DIRECTIVES);
        Object answer =
            ManagementFactory.getPlatformMBeanServer()
                .invoke(
                    new ObjectName("com.sun.management:type=DiagnosticCommand"),
                    "compilerDirectivesAdd",
                    new Object[] {new String[] {file.toString()}},
                    new String[] {String[].class.getName()});
        return String.valueOf(answer).contains("1 compiler directives added");
      } finally {
        Files.delete(file);
      }
    } catch (JMException | IOException | RuntimeException e) {
      return false;
    }
  }
}
