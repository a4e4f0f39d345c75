package io.quern.cpu.gemm;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.MachineFunction;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** By the functions of {@link BlockCode}, which are made once for all sizes. */
final class MachineBlockProducts extends BlockProducts {
  private static final Map<BlockCode.Kind, MachineFunction> FUNCTIONS = new ConcurrentHashMap<>();
  private static final int LANES = BlockLayout.LANES;

  /** Bytes of rows of floats that stay in the first-level cache for all rows of weights. */
  private static final long NEAR = 24 << 10;

  private final @Nullable MachineFunction[] byRows = new MachineFunction[MOST_ROWS + 1];
  private final Arena owner = Arena.ofAuto();
  private final MemorySegment constants = owner.allocate(BlockCode.PARAMETERS, 64);
  private final int perWord;
  private final long last;

  MachineBlockProducts(BlockLayout layout, boolean hasZeros, long rows) {
    super(layout);
    for (int at : new int[] {(int) Math.min(rows, MOST_ROWS), (int) (rows % MOST_ROWS)}) {
      if (at > 0) {
        BlockCode.Kind kind = new BlockCode.Kind(layout.bits(), layout.block(), hasZeros, at);
        byRows[at] = FUNCTIONS.computeIfAbsent(kind, MachineBlockProducts::place);
      }
    }
    this.perWord = layout.perWord();
    this.last = 4 * LANES * (layout.vectors() - 1);
    long words = (layout.rowBytes() - last) / 4;
    long blocks = layout.blocks() - last / layout.blockBytes();
    long masks = ((1L << words) - 1) | ((1L << blocks) - 1) << LANES;
    constants.set(JAVA_LONG, BlockCode.ROW_BYTES_AT, layout.rowBytes());
    constants.set(JAVA_LONG, BlockCode.SCALE_ROW_BYTES_AT, 4 * layout.blocks());
    constants.set(JAVA_LONG, BlockCode.MASKS_AT, masks);
    constants.set(JAVA_LONG, BlockCode.LAST_AT, last);
    for (int i = 0; i < LANES; i++) {
      constants.setAtIndex(JAVA_INT, i, i * 4 / layout.blockBytes());
      constants.setAtIndex(JAVA_FLOAT, LANES + i, hasZeros ? i : i - layout.middle());
    }
  }

  private static MachineFunction place(BlockCode.Kind kind) {
    return MachineTier.place("block_products " + kind, new BlockCode(kind).write());
  }

  /** A vector of the weights' first places in words for each row, then of their second places. */
  @Override
  void spread(long from, int rows, long to) {
    long vector = 4L * LANES * perWord;
    for (int row = 0; row < rows; row++) {
      long vectorTo = to + row * vector;
      for (long t = 0; t < layout.depth(); t += (long) LANES * perWord) {
        spreadVector(from + 4 * t, layout.k() - t, vectorTo);
        vectorTo += rows * vector;
      }
      from += 4 * layout.k();
    }
  }

  private void spreadVector(long from, long count, long to) {
    for (int lane = 0; lane < LANES; lane++) {
      for (int place = 0; place < perWord; place++) {
        int t = lane * perWord + place;
        float value = t < count ? Raw.getFloat(from + 4L * t) : 0;
        Raw.putFloat(to + 4L * (place * LANES + lane), value);
      }
    }
  }

  @Override
  void run(
      long weights,
      long scales,
      long zeros,
      long spread,
      int rows,
      long count,
      long to,
      long toRow) {
    MemoryPool.Block sums = HostMemory.shared().allocate(4L * LANES * rows * count);
    long at = sums.address();
    long constant = constants.address();
    MachineFunction code = Objects.requireNonNull(byRows[rows]);
    long perByte = (long) rows * perWord;
    long slice = Math.max(1, NEAR / (4 * LANES * perByte)) * 4 * LANES;
    long start = 0;
    long end;
    do {
      end = Math.min(start + slice, last);
      long a = spread + start * perByte;
      code.call(weights, scales, zeros, a, to, toRow, count, start, end, at, constant);
      start = end;
    } while (end < last);
    HostMemory.shared().free(sums);
  }
}
