package io.quern.gpu;

import io.quern.backend.Kernel;
import io.quern.conformance.Comparison;
import io.quern.conformance.KernelCheck;
import io.quern.conformance.OpCase;
import io.quern.conformance.OpCases;
import io.quern.conformance.Sample;
import java.util.Set;
import java.util.TreeSet;

/** Runs convolutions with the tiles that only larger ones than the conformance cases get. */
public final class ConvTilesCheck {
  private ConvTilesCheck() {}

  /**
   * Checks all cases, each with every second tile, or with all where all cases of samples are run.
   *
   * @param parts into how many parts sums are split
   * @return names of the kernels that were checked, each followed by that of a case
   */
  public static Set<String> run(GpuContext context, int parts) {
    Set<String> kernels = new TreeSet<>();
    int number = 0;
    for (OpCase opCase : OpCases.all()) {
      if (opCase.op().name().startsWith("conv2d") && opCase.mayHaveKernel()) {
        run(context, parts, new Comparison(opCase), number, kernels);
        number++;
      }
    }
    for (ConvTile tile : ConvTile.TILES) {
      String name = "conv2d_weight_grad_" + tile.m() + "x" + tile.n() + "_f32";
      if (kernels.stream().noneMatch(each -> each.startsWith(name))) {
        throw new AssertionError("no case with " + name);
      }
    }
    return kernels;
  }

  private static void run(
      GpuContext context, int parts, Comparison comparison, int number, Set<String> kernels) {
    OpCase opCase = comparison.opCase();
    for (ConvTile tile : ConvTile.TILES) {
      Kernel kernel =
          ConvKernels.create(
              context, KernelCheck.key(opCase), (m, n, k, groups) -> tile.parts(parts));
      boolean isTaken = Sample.has(number + ConvTile.TILES.indexOf(tile), 2);
      if (kernel != null
          && (isTaken || isFirst(kernel.name(), kernels))
          && kernels.add(kernel.name() + " " + opCase.name())) {
        KernelCheck.run(comparison, context, kernel);
      }
    }
  }

  private static boolean isFirst(String kernel, Set<String> kernels) {
    return kernels.stream().noneMatch(each -> each.startsWith(kernel + " "));
  }
}
