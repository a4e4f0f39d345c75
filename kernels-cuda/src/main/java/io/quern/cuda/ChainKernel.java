package io.quern.cuda;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cuda.ptx.ChainPtx;
import io.quern.op.Binary;
import io.quern.op.Fused;
import io.quern.op.Layout;
import io.quern.op.ScalarProgram;
import io.quern.op.Unary;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Elementwise functions of F32, alone or in chains, as generated functions. */
final class ChainKernel implements Kernel {
  private static final int THREADS = 256;

  private final Kernel anyhow;
  private final @Nullable Kernel dense;

  private ChainKernel(Kernel anyhow, @Nullable Kernel dense) {
    this.anyhow = anyhow;
    this.dense = dense;
  }

  static @Nullable Kernel fused(CudaContext context, KernelKey key) {
    return create(context, key, ((Fused) key.op()).program());
  }

  static @Nullable Kernel unary(CudaContext context, KernelKey key) {
    ScalarProgram.Step step = new ScalarProgram.Apply1(((Unary) key.op()).fn(), 0);
    return create(context, key, new ScalarProgram(1, List.of(step)));
  }

  static @Nullable Kernel binary(CudaContext context, KernelKey key) {
    ScalarProgram.Step step = new ScalarProgram.Apply2(((Binary) key.op()).fn(), 0, 1);
    return create(context, key, new ScalarProgram(2, List.of(step)));
  }

  private static @Nullable Kernel create(
      CudaContext context, KernelKey key, ScalarProgram program) {
    if (!key.all(DType.F32) || !ChainPtx.covers(program) || program.inputs() > 8) {
      return null;
    }
    List<Layout> layouts = new ArrayList<>();
    for (int i = 0; i < program.inputs(); i++) {
      layouts.add(key.layout(i).expand(key.output().shape()));
    }
    layouts.add(key.output());
    Optional<Walk> walk = Walk.over(layouts);
    return walk.map(found -> create(context, key, program, found)).orElse(null);
  }

  private static Kernel create(
      CudaContext context, KernelKey key, ScalarProgram program, Walk walk) {
    int output = key.inputs();
    Parameters anyhow = new Parameters().operand(output);
    Parameters dense = new Parameters().operand(output);
    boolean[] scalar = new boolean[program.inputs()];
    boolean isDense = true;
    for (int i = 0; i < scalar.length; i++) {
      anyhow.operand(i);
      dense.operand(i);
      scalar[i] = walk.isScalar(i);
      isDense &= scalar[i] || walk.isDense(i);
    }
    anyhow.number(walk.count());
    dense.number(walk.count());
    for (int d = walk.rank() - 1; d > 0; d--) {
      anyhow.number(walk.dims().get(d));
    }
    for (int i = 0; i < scalar.length; i++) {
      for (int d = 0; d < walk.rank(); d++) {
        anyhow.number(4 * walk.stride(i, d));
      }
    }
    Kernel strided =
        kernel(
            context,
            ChainPtx.strided(program, walk.rank()),
            Grid.covering(walk.count(), THREADS),
            anyhow);
    if (!isDense) {
      return strided;
    }
    long threads = (walk.count() + ChainPtx.RUN - 1) / ChainPtx.RUN;
    return new ChainKernel(
        strided,
        kernel(context, ChainPtx.dense(program, scalar), Grid.covering(threads, THREADS), dense));
  }

  private static Kernel kernel(CudaContext context, String ptx, Grid grid, Parameters parameters) {
    long function = context.modules().generated(ptx, ChainPtx.NAME);
    return new LaunchKernel(context, "chain_f32", new Launch(function, grid, parameters));
  }

  @Override
  public void run(Operands operands) {
    long addresses = 0;
    for (int i = 0; i < operands.count(); i++) {
      addresses |= operands.address(i);
    }
    (dense != null && addresses % 16 == 0 ? dense : anyhow).run(operands);
  }

  @Override
  public String name() {
    return "chain_f32";
  }
}
