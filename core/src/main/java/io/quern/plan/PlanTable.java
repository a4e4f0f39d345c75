package io.quern.plan;

import io.quern.op.TensorSpec;
import io.quern.op.Work;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** A plan as text. */
final class PlanTable {
  private PlanTable() {}

  /** With times in nanoseconds, or without. */
  static String of(Plan plan, long @Nullable [] nanos) {
    StringBuilder text = new StringBuilder();
    text.append(specs(plan.inputs())).append(" -> ").append(specs(plan.outputs()));
    text.append(" on ").append(plan.device()).append('\n');
    long flops = 0;
    long moved = 0;
    int number = 0;
    for (Step step : plan.stepList()) {
      List<TensorSpec> inputs = step.inputs().stream().map(Place::spec).toList();
      List<TensorSpec> outputs = step.outputs().stream().map(Place::spec).toList();
      long stepFlops = Work.flops(step.op(), inputs, outputs);
      flops += stepFlops;
      moved += Work.bytes(inputs, outputs);
      text.append(
          String.format(
              Locale.ROOT,
              "%3d  %-34s %-52s %12s %10s%s%n",
              number,
              step.kernel().name(),
              specs(inputs) + " -> " + specs(outputs),
              amount(stepFlops, "FLOP"),
              amount(Work.bytes(inputs, outputs), "B"),
              nanos == null ? "" : rate(nanos[number], stepFlops, Work.bytes(inputs, outputs))));
      number++;
    }
    if (nanos != null) {
      text.append("in all").append(rate(Arrays.stream(nanos).sum(), flops, moved)).append('\n');
    }
    text.append(
        String.format(
            Locale.ROOT,
            "%d steps, arena %,d bytes, weights in other forms %,d bytes, %s, %s moved, %d on"
                + " reference kernels%n",
            plan.steps(),
            plan.arenaBytes(),
            plan.preparedBytes(),
            amount(flops, "FLOP"),
            amount(moved, "B"),
            plan.fallbacks().size()));
    return text.toString();
  }

  private static String rate(long nanos, long flops, long bytes) {
    double time = Math.max(1, nanos);
    return String.format(
        Locale.ROOT,
        " %10.3f ms %8.1f GFLOP/s %7.1f GB/s",
        nanos / 1e6,
        flops / time,
        bytes / time);
  }

  private static String specs(List<TensorSpec> specs) {
    return specs.stream().map(TensorSpec::toString).collect(Collectors.joining(" "));
  }

  private static String amount(long count, String unit) {
    String[] prefixes = {"", "k", "M", "G", "T"};
    int power = 0;
    double value = count;
    while (value >= 1000 && power < prefixes.length - 1) {
      value /= 1000;
      power++;
    }
    return String.format(
        Locale.ROOT, power == 0 ? "%.0f %s%s" : "%.1f %s%s", value, prefixes[power], unit);
  }
}
