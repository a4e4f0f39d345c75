package io.quern.cpu.gemm;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.op.IntegerMatMul;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import java.lang.foreign.Arena;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * IntegerMatMul of one matrix B by the instructions that multiply unsigned bytes of A and signed
 * ones of B. With both shifted by 128 where they are of the other kind, and zero points likewise,
 *
 * <pre>(a - za) (b - zb) = a b - za sum(b) - zb (sum(a) - k za)</pre>
 *
 * where the sums are those of a column of B and a row of A. Immutable and thread-safe.
 */
public final class IntegerMatMulKernel implements Kernel {
  /** Rows that are multiplied with a panel while it is in the first-level cache. */
  private static final int BLOCK = 8 * MicroKernel.ROWS;

  /** Products of bytes below which a second thread costs more than it brings. */
  private static final double PARALLEL_WORK = 1 << 21;

  /** Sums of a vector. */
  private static final int LANES = 16;

  /** What U8 and I8 differ by. */
  private static final int SHIFT = 128;

  // What a call keeps for its tasks.
  private static final int ROWS_OF_A = 0;
  private static final int PANELS_OF_B = 1;
  private static final int ZEROS_OF_B = 2;
  private static final int PANELS_PER_TASK = 3;

  /** Machine code for so wide panels, made when it is first asked for. */
  private record Code(DType result, int width) {
    private static final Map<Code, MachinePanel> MADE = new ConcurrentHashMap<>();

    static MachinePanel of(DType result, int width) {
      return MADE.computeIfAbsent(new Code(result, width), Code::make);
    }

    private MachinePanel make() {
      boolean toFloats = result == DType.F32;
      PanelCode.Elements elements =
          toFloats ? PanelCode.Elements.BYTES_TO_FLOATS : PanelCode.Elements.BYTES;
      String name = "gemm_u8i8_8x" + width + (toFloats ? "_f32" : "");
      return new MachinePanel(name, elements, width / LANES, 512);
    }
  }

  /** Apart from the class itself, for processors that have tile registers. */
  private static final class Tiles {
    static final TilePanel TO_I32 = new TilePanel("tiles_u8i8", TileCode.Elements.BYTES);
    static final TilePanel TO_F32 =
        new TilePanel("tiles_u8i8_f32", TileCode.Elements.BYTES_TO_FLOATS);
  }

  private final KernelKey key;
  private final BytePacker packer;
  private final MachinePanel code;
  private final @Nullable TilePanel tiles;
  private final boolean packedBefore;
  private final boolean signedA;
  private final long m;
  private final long n;
  private final long k;
  private final Arena owner = Arena.ofAuto();
  private final long offsets;
  private final PanelShares shares;
  private final Workers.Task<Operands> task = this::multiply;

  private IntegerMatMulKernel(KernelKey key, boolean packedBefore) {
    this.key = key;
    this.packedBefore = packedBefore;
    this.n = key.output().shape().dim(-1);
    this.k = key.shape(0).dim(-1);
    this.tiles = TilePanel.fits(k) ? key.dtype(4) == DType.F32 ? Tiles.TO_F32 : Tiles.TO_I32 : null;
    this.m = key.shape(0).slice(0, key.shape(0).rank() - 1).size();
    this.signedA = key.dtype(0) == DType.I8;
    int width = tiles == null ? MicroKernel.forColumns(n).columns() : BytePacker.WIDTH;
    this.packer = new BytePacker(k, n, key.dtype(2) == DType.I8, width);
    this.code = Code.of(key.dtype(4), width);
    this.shares = new PanelShares(m, BLOCK, packer.panels(), PANELS_PER_TASK);
    this.offsets = owner.allocate(4 * Math.max(1, packer.fours()), 64).address();
    Packing.offsets(offsets, packer.fours(), 4);
  }

  /** The kernel for {@code key}, or null when an operand does not fit. */
  public static @Nullable Kernel create(KernelKey key) {
    boolean fits =
        key.op() instanceof IntegerMatMul
            && MachineTier.multipliesBytes()
            && key.isContiguous()
            && key.shape(2).rank() == 2
            && key.shape(1).size() == 1
            && (key.shape(3).size() == 1
                || (key.shape(3).rank() == 1 && key.shape(3).dim(0) == key.shape(2).dim(1)))
            && key.output().shape().size() > 0
            && key.shape(0).size() + key.shape(2).size() < Integer.MAX_VALUE;
    return fits ? new IntegerMatMulKernel(key, false) : null;
  }

  @Override
  public void run(Operands operands) {
    long packedB = packedBefore ? 0 : packer.bytes();
    long row = 4 * packer.fours();
    boolean inPlace = !signedA && k % 4 == 0;
    long bytesA = inPlace ? 0 : row * m;
    MemoryPool.Block memory = HostMemory.shared().allocate(packedB + bytesA + 4 * n);
    try {
      long b = operands.address(2);
      if (!packedBefore) {
        packer.pack(operands, b, memory.address());
        b = memory.address();
      }
      long a = operands.address(0);
      if (!inPlace) {
        packRows(a, memory.address() + packedB);
        a = memory.address() + packedB;
      }
      long zeros = memory.address() + packedB + bytesA;
      operands.keep(ROWS_OF_A, a);
      operands.keep(PANELS_OF_B, b);
      operands.keep(ZEROS_OF_B, zerosOfB(operands.address(3), zeros) ? zeros : 0);
      shares.run(operands, (double) m * n * k >= PARALLEL_WORK, task);
    } finally {
      HostMemory.shared().free(memory);
    }
  }

  /** Rows of A of whole fours, as U8. */
  private void packRows(long from, long to) {
    int flip = signedA ? 0x80 : 0;
    long padded = 4 * packer.fours();
    for (long i = 0; i < m && k > 0; i++) {
      Raw.putInt(to + (i + 1) * padded - 4, 0);
      for (long t = 0; t < k; t++) {
        Raw.putByte(to + i * padded + t, (byte) (Raw.getByte(from + i * k + t) ^ flip));
      }
    }
  }

  /** Writes the zero point of each shifted column; false when all are zero. */
  private boolean zerosOfB(long from, long to) {
    boolean any = false;
    boolean each = key.shape(3).size() > 1;
    for (long j = 0; j < n; j++) {
      byte value = Raw.getByte(each ? from + j : from);
      int zero = packer.signed() ? value : (value & 0xFF) - SHIFT;
      Raw.putInt(to + 4 * j, zero);
      any |= zero != 0;
    }
    return any;
  }

  private int zeroOfA(Operands call) {
    byte value = Raw.getByte(call.address(1));
    return signedA ? value + SHIFT : value & 0xFF;
  }

  /** Some panels for a block of rows. */
  private void multiply(Operands call, int chunk) {
    long first = shares.firstRow(call, chunk);
    long count = shares.count(call, chunk);
    long end = shares.endPanel(call, chunk);
    long row = 4 * packer.fours();
    long a = call.kept(ROWS_OF_A) + first * row;
    long c = call.address(4) + 4 * first * n;
    long tableBytes = MicroKernel.tableBytes(count);
    MemoryPool.Block scratch =
        HostMemory.shared()
            .allocate(TileCode.SCRATCH + tableBytes + 4L * BLOCK + 4L * packer.width());
    long table = scratch.address() + TileCode.SCRATCH;
    long sums = table + tableBytes;
    long start = sums + 4L * BLOCK;
    MicroKernel.evenRows(table, a, row, count);
    boolean shifted = call.kept(ZEROS_OF_B) != 0;
    int zero = zeroOfA(call);
    if (shifted) {
      sumRows(a, count, zero, sums);
    }
    for (long panel = shares.firstPanel(call, chunk); panel < end; panel++) {
      long column = panel * packer.width();
      long columns = Math.min(packer.width(), n - column);
      long b = call.kept(PANELS_OF_B) + panel * packer.panelBytes();
      long to = c + 4 * column;
      long sumsOfB = b + 4L * packer.width() * packer.fours();
      for (long j = 0; j < columns; j++) {
        Raw.putInt(start + 4 * j, -zero * Raw.getInt(sumsOfB + 4 * j));
      }
      if (shifted) {
        prefill(start, sums, call.kept(ZEROS_OF_B) + 4 * column, count, columns, to);
      }
      long from = shifted ? to : start;
      long fromRow = shifted ? 4 * n : 0;
      if (tiles == null) {
        long bRow = 4L * packer.width();
        long fours = packer.fours();
        code.run(table, offsets, b, bRow, fours, from, fromRow, to, 4 * n, count, columns);
      } else {
        tiles.run(a, row, b, k, from, fromRow, to, 4 * n, count, columns, scratch.address());
      }
    }
    HostMemory.shared().free(scratch);
  }

  /** The sum of each row, less the zero point of all of its elements. */
  private void sumRows(long a, long count, int zero, long to) {
    long row = 4 * packer.fours();
    for (long i = 0; i < count; i++) {
      int sum = (int) -k * zero;
      for (long t = 0; t < k; t++) {
        sum += Raw.getByte(a + i * row + t) & 0xFF;
      }
      Raw.putInt(to + 4 * i, sum);
    }
  }

  /** What the zero points make of each result, but for the products. */
  private void prefill(long start, long sums, long zeros, long count, long columns, long to) {
    for (long i = 0; i < count; i++) {
      int sum = Raw.getInt(sums + 4 * i);
      long row = to + 4 * i * n;
      for (long j = 0; j < columns; j++) {
        Raw.putInt(row + 4 * j, Raw.getInt(start + 4 * j) - sum * Raw.getInt(zeros + 4 * j));
      }
    }
  }

  /** A constant matrix B is packed once. */
  @Override
  public @Nullable Prepared prepared() {
    return packedBefore
        ? null
        : new Prepared(2, packer.bytes(), packer, new IntegerMatMulKernel(key, true));
  }

  @Override
  public String name() {
    return "gemm_u8i8_asm";
  }
}
