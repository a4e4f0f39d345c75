package io.quern.cuda;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import io.quern.Device;
import io.quern.backend.DeviceContext;
import io.quern.conformance.KernelCheck;
import io.quern.conformance.OpCase;
import io.quern.conformance.OpCases;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * What is run on a machine with a GPU: the conformance cases, with a report. Also runs the kernels
 * of some ops alone, on a {@link StandIn} too.
 */
final class GpuCheck {
  /** Failures whose messages are shown. */
  private static final int SHOWN = 200;

  private GpuCheck() {}

  /**
   * With the option {@code --ops}, runs the kernels of the ops that follow, only every so many
   * cases when a number is among them; without, writes the report {@code conformance.txt} into the
   * directory {@code args[0]}. Exits with 1 when a case fails.
   */
  public static void main(String[] args) throws IOException {
    if (args[0].equals("--ops")) {
      System.exit(kernels(List.of(args).subList(1, args.length)) ? 0 : 1);
    }
    Path directory = Files.createDirectories(Path.of(args[0]));
    StringWriter text = new StringWriter();
    PrintWriter report = new PrintWriter(text);
    report.println(Device.of("cuda").describe());
    Device.of("cuda").context().kernels().forEach((op, names) -> report.println(op + ": " + names));
    Tally tally = new Tally();
    LauncherDiscoveryRequest request =
        LauncherDiscoveryRequestBuilder.request()
            .selectors(selectClass(CudaConformanceTest.class))
            .build();
    long start = System.nanoTime();
    LauncherFactory.create().execute(request, tally);
    report.printf(
        Locale.ROOT,
        "%d passed, %d failed in %.1f s%n",
        tally.passed,
        tally.failed(),
        (System.nanoTime() - start) / 1e9);
    report.println("ops that ran without a kernel of the device: ");
    Map<String, Integer> fallbacks = new TreeMap<>();
    Device.of("cuda")
        .fallbacks()
        .forEach((op, instead) -> fallbacks.merge(opName(op) + " by " + instead, 1, Integer::sum));
    fallbacks.forEach((op, count) -> report.println("  " + op + ": " + count + " cases"));
    tally.failures.forEach(
        (name, why) -> report.println("FAILED " + name + "\n    " + why.replace("\n", "\n    ")));
    report.flush();
    Files.writeString(directory.resolve("conformance.txt"), text.toString());
    System.out.println(text);
    System.exit(tally.failed() == 0 && tally.passed > 0 ? 0 : 1);
  }

  private static boolean kernels(List<String> ops) {
    if (!StandIn.isReady()) {
      throw new IllegalStateException("there is no device, and g++ for a stand-in is missing");
    }
    boolean allPass = kernels(ops, Device.of("cuda"));
    if (StandIn.isUsed()) {
      allPass &= kernels(ops, StandIn.withTensorCores());
    }
    return allPass;
  }

  private static boolean kernels(List<String> ops, Device on) {
    DeviceContext device = on.context();
    Map<String, Integer> passed = new TreeMap<>();
    boolean allPass = true;
    int every =
        ops.stream()
            .filter(op -> op.matches("[0-9]+"))
            .mapToInt(Integer::parseInt)
            .findAny()
            .orElse(1);
    int number = 0;
    for (OpCase opCase : OpCases.all()) {
      boolean wanted =
          opCase.mayHaveKernel() && ops.contains(opCase.op().getClass().getSimpleName());
      if (!wanted || number++ % every != 0) {
        continue;
      }
      try {
        String kernel = KernelCheck.run(opCase, device).orElse("no kernel, " + opCase.op().name());
        passed.merge(kernel, 1, Integer::sum);
      } catch (AssertionError | RuntimeException e) {
        allPass = false;
        System.out.println("FAILED on " + on + ": " + opCase.name() + "\n    " + message(e));
      }
    }
    passed.forEach(
        (kernel, count) -> System.out.println(count + " passed by " + kernel + " on " + on));
    return allPass;
  }

  private static String opName(String key) {
    return key.substring(0, key.indexOf('('));
  }

  /** Counts cases and keeps why they fail. */
  private static final class Tally implements TestExecutionListener {
    private final Map<String, String> failures = new TreeMap<>();
    private int passed;
    private int moreFailures;

    int failed() {
      return failures.size() + moreFailures;
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
      if (result.getStatus() == TestExecutionResult.Status.SUCCESSFUL) {
        passed += test.isTest() ? 1 : 0;
      } else if (failures.size() < SHOWN) {
        String why = result.getThrowable().map(GpuCheck::message).orElse("aborted");
        failures.put(
            test.getUniqueId().replaceAll(".*class:[^/]*/", "") + " " + test.getDisplayName(), why);
      } else {
        moreFailures++;
      }
      if (test.isTest() && (passed + failed()) % 2000 == 0) {
        System.out.println(passed + " passed, " + failed() + " failed so far");
      }
    }
  }

  private static String message(Throwable e) {
    StringBuilder text = new StringBuilder(e.toString());
    if (text.length() > 400) {
      text.setLength(400);
    }
    StackTraceElement[] trace = e.getStackTrace();
    for (int i = 0; i < Math.min(trace.length, 3); i++) {
      text.append("\n  at ").append(trace[i]);
    }
    return text.toString();
  }
}
