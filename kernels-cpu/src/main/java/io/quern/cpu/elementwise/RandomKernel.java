package io.quern.cpu.elementwise;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.op.Random;
import io.quern.op.Random.Distribution;
import io.quern.runtime.Philox;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import org.jspecify.annotations.Nullable;

/** Random floats; each chunk starts at its own counter. */
public final class RandomKernel implements Kernel {
  private static final int CHUNK = 8192;

  private final boolean normal;
  private final boolean byMachineCode;
  private final long count;
  private final Workers.Task<Operands> task = this::draw;

  private RandomKernel(boolean normal, long count) {
    this.normal = normal;
    this.byMachineCode = !normal && MachineTier.has512Bits();
    this.count = count;
  }

  /** The kernel for {@code key}, or null when it is not F32. */
  public static @Nullable Kernel create(KernelKey key) {
    return key.dtype(1) == DType.F32
            && key.layout(0).isContiguous()
            && key.op() instanceof Random random
        ? new RandomKernel(random.distribution() == Distribution.NORMAL, key.shape(1).size())
        : null;
  }

  @Override
  public void run(Operands operands) {
    Workers.shared().run(task, operands, Math.toIntExact((count + CHUNK - 1) / CHUNK));
  }

  private void draw(Operands operands, int chunk) {
    long seed = Raw.getLong(operands.address(0));
    long counter = Raw.getLong(operands.address(0) + 8);
    long to = operands.address(1);
    long first = (long) chunk * CHUNK;
    long end = Math.min(count, first + CHUNK);
    if (byMachineCode) {
      MachineUniform.draw(seed, counter + first / 4, to + 4 * first, end - first);
      return;
    }
    int[] words = new int[4];
    for (long i = first; i < end; i += 4) {
      Philox.block(seed, counter + i / 4, 0, words);
      put(words, (int) Math.min(4, end - i), to + 4 * i);
    }
  }

  private void put(int[] words, int lanes, long to) {
    for (int lane = 0; lane < lanes; lane++) {
      float value = normal ? normal(words, lane) : (words[lane] >>> 8) * 0x1p-24f;
      Raw.putFloat(to + 4L * lane, value);
    }
  }

  /** Box and Muller 1958; strict, so that the bits are the same on every machine. */
  private static float normal(int[] words, int lane) {
    double radius = StrictMath.sqrt(-2 * StrictMath.log(((words[lane & 2] >>> 8) + 1) * 0x1p-24));
    double angle = 2 * Math.PI * ((words[lane | 1] >>> 8) * 0x1p-24);
    return (float) (radius * ((lane & 1) == 0 ? StrictMath.cos(angle) : StrictMath.sin(angle)));
  }

  @Override
  public String name() {
    return (normal ? "random_normal_f32" : "random_uniform_f32") + (byMachineCode ? "_asm" : "");
  }
}
