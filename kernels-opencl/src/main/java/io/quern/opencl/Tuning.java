package io.quern.opencl;

import io.quern.DType;
import io.quern.Shape;
import io.quern.backend.Buffer;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.gpu.GpuContext;
import io.quern.gpu.GpuException;
import io.quern.gpu.Products;
import io.quern.op.Layout;
import io.quern.op.MatMul;
import io.quern.runtime.Knob;
import io.quern.runtime.Log;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Which tile a device multiplies matrices with: the one that a timed search found, if any did. */
final class Tuning {
  private static final Knob ENABLED =
      Knob.of("quern.opencl.tuned", "on", "whether results of 'quern tune-kernels' are used");

  /** Size of the matrices that tiles are timed with, and how often. */
  private static final int SIZE = 1024;

  private static final int RUNS = 3;

  private final String name;
  private final List<Tile> candidates;
  private volatile Tile tile;
  private volatile boolean tuned;

  /** Whether something was stored that the device cannot use, as by another version. */
  private volatile boolean stale;

  /**
   * What was found for a device.
   *
   * @param device its name and that of its driver
   * @param mostThreads the most threads of a block
   */
  Tuning(String device, boolean isCpu, int mostThreads) {
    this.name = "tile of matmul on " + device;
    this.candidates =
        Tile.candidates(isCpu).stream().filter(each -> each.threads() <= mostThreads).toList();
    this.tile = candidates.getFirst();
    restore();
  }

  /** What was stored counts only if it is still one of the candidates. */
  private void restore() {
    if (ENABLED.isOn()) {
      OpenClBackend.CACHE
          .get(name)
          .map(bytes -> new String(bytes, StandardCharsets.UTF_8))
          .map(found -> candidates.stream().filter(e -> e.toString().equals(found)).findFirst())
          .ifPresent(found -> found.ifPresentOrElse(this::use, () -> stale = true));
    }
  }

  private void use(Tile found) {
    tile = found;
    tuned = true;
  }

  /** The device's tile. */
  Tile tile() {
    return tile;
  }

  /** The device's tile, after a search when the stored one is stale. */
  Tile tile(GpuContext context) {
    if (stale) {
      stale = false;
      Log.get().log(Level.INFO, "the stored {0} is out of date, so tiles are timed anew", name);
      search(context);
    }
    return tile;
  }

  /** Whether a timed search found it. */
  boolean isTuned() {
    return tuned;
  }

  /** Times all tiles, stores the fastest and uses it from now on; tells what each reaches. */
  List<String> search(GpuContext context) {
    Layout square = Layout.contiguous(Shape.of(SIZE, SIZE));
    KernelKey key =
        new KernelKey(
            new MatMul(),
            new DType[] {DType.F32, DType.F32, DType.F32},
            new Layout[] {square, square, square},
            2);
    Products products = Products.of(key).orElseThrow();
    // Memory that was never written to is not memory yet.
    float[] ones = new float[SIZE * SIZE];
    Arrays.fill(ones, 1);
    Buffer[] buffers = new Buffer[3];
    for (int i = 0; i < buffers.length; i++) {
      buffers[i] = context.allocate(4L * SIZE * SIZE);
      context.upload(MemorySegment.ofArray(ones), buffers[i], 0);
    }
    List<String> report = new ArrayList<>();
    Tile best = tile;
    double most = 0;
    try {
      Operands operands = new Operands(buffers, new long[buffers.length]);
      for (Tile candidate : candidates) {
        double speed = speed(context, products, candidate, operands);
        report.add(String.format(Locale.ROOT, "matmul %s: %.0f GFLOP/s", candidate, speed));
        if (speed > most) {
          best = candidate;
          most = speed;
        }
      }
    } finally {
      List.of(buffers).forEach(Buffer::release);
    }
    OpenClBackend.CACHE.put(name, best.toString().getBytes(StandardCharsets.UTF_8));
    use(best);
    report.add("matmul is done " + best + " from now on");
    return report;
  }

  /** GFLOP/s of a tile, 0 if the device refuses it. */
  private double speed(GpuContext context, Products products, Tile candidate, Operands on) {
    try {
      Kernel kernel = TiledProducts.create(context, products, candidate);
      kernel.run(on);
      context.finish();
      long best = Long.MAX_VALUE;
      for (int run = 0; run < RUNS; run++) {
        long start = System.nanoTime();
        kernel.run(on);
        context.finish();
        best = Math.min(best, System.nanoTime() - start);
      }
      return 2.0 * SIZE * SIZE * SIZE / best;
    } catch (GpuException e) {
      if (e.isSticky()) {
        throw e;
      }
      return 0;
    }
  }
}
