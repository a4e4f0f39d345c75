package io.quern.gpu;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.Binary;
import io.quern.op.Fused;
import io.quern.op.Layout;
import io.quern.op.ScalarProgram;
import io.quern.op.Unary;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Elementwise functions of F32, F16 and BF16, alone or in chains, and casts between these, as
 * generated functions.
 */
final class ChainKernels {
  private static final int THREADS = 256;

  /** From as many elements on there are enough threads if each computes more than one run. */
  private static final long LONG = 1 << 20;

  /** From as many elements on 32 bits may not hold where the next run starts. */
  private static final long TOO_LONG = 1L << 31;

  private ChainKernels() {}

  static @Nullable Kernel fused(GpuContext context, KernelKey key) {
    return create(context, key, ((Fused) key.op()).program());
  }

  static @Nullable Kernel unary(GpuContext context, KernelKey key) {
    ScalarProgram.Step step = new ScalarProgram.Apply1(((Unary) key.op()).fn(), 0);
    return create(context, key, new ScalarProgram(1, List.of(step)));
  }

  static @Nullable Kernel binary(GpuContext context, KernelKey key) {
    ScalarProgram.Step step = new ScalarProgram.Apply2(((Binary) key.op()).fn(), 0, 1);
    return create(context, key, new ScalarProgram(2, List.of(step)));
  }

  /** Multiplies by one, which leaves every number as it is. */
  static @Nullable Kernel cast(GpuContext context, KernelKey key) {
    if (key.dtype(0) == key.dtype(1)) {
      return null; // copies keep the bits of NaN, too
    }
    List<ScalarProgram.Step> steps =
        List.of(new ScalarProgram.Literal(1), new ScalarProgram.Apply2(Binary.Fn.MUL, 0, 1));
    return create(context, key, new ScalarProgram(1, steps));
  }

  private static @Nullable Kernel create(GpuContext context, KernelKey key, ScalarProgram program) {
    List<DType> inputs = new ArrayList<>();
    for (int i = 0; i < program.inputs(); i++) {
      inputs.add(key.dtype(i));
    }
    Chain chain = new Chain(program, inputs, key.dtype(key.inputs()));
    if (!chain.isCovered() || chain.count() > 8) {
      return null;
    }
    List<Layout> layouts = new ArrayList<>();
    for (int i = 0; i < program.inputs(); i++) {
      layouts.add(key.layout(i).expand(key.output().shape()));
    }
    layouts.add(key.output());
    Optional<Walk> walk = Walk.over(layouts);
    return walk.map(found -> create(context, key.inputs(), chain, found)).orElse(null);
  }

  private static Kernel create(GpuContext context, int output, Chain chain, Walk walk) {
    Parameters dense = new Parameters().operand(output);
    Parameters strided = new Parameters().operand(output);
    for (int i = 0; i < chain.count(); i++) {
      dense.operand(i);
      strided.operand(i);
    }
    dense.number(walk.count());
    strided.number(walk.count());
    for (int d = walk.rank() - 1; d > 0; d--) {
      strided.number(walk.dims().get(d));
    }
    String name = "chain_" + chain.output().name().toLowerCase(Locale.ROOT);
    ChainWriter chains = context.gpu().chains();
    int run = chains.run(chain);
    boolean[] scalar = new boolean[chain.count()];
    boolean hasRuns = walk.rank() == 1 || walk.innerDim() % run == 0;
    for (int i = 0; i < scalar.length; i++) {
      scalar[i] = walk.innerStride(i) == 0;
      hasRuns &= scalar[i] || walk.innerStride(i) == 1;
      for (int d = 0; d < walk.rank(); d++) {
        strided.number(chain.inputs().get(i).bytes() * walk.stride(i, d));
        hasRuns &= scalar[i] || d == walk.rank() - 1 || walk.stride(i, d) % run == 0;
      }
    }
    Grid elements = Grid.covering(walk.count(), THREADS);
    if (!hasRuns) {
      return kernel(context, name, chains.strided(chain, walk.rank()), elements, strided);
    }
    boolean isLong = walk.rank() == 1 && walk.count() >= LONG && walk.count() < TOO_LONG;
    int runs = isLong ? chains.runs() : 1;
    Grid grid = Grid.covering(Math.ceilDiv(walk.count(), (long) run * runs), THREADS);
    Kernel byRuns =
        walk.rank() == 1
            ? kernel(context, name, chains.dense(chain, scalar, runs), grid, dense)
            : kernel(context, name, chains.rows(chain, walk.rank(), scalar), grid, strided);
    return chains.needsAlignment()
        ? new AlignedKernel(
            byRuns, kernel(context, name, chains.strided(chain, walk.rank()), elements, strided))
        : byRuns;
  }

  private static Kernel kernel(
      GpuContext context, String name, String text, Grid grid, Parameters parameters) {
    return new LaunchKernel(
        context, name, Launch.generated(context, text, ChainWriter.NAME, grid, parameters));
  }
}
