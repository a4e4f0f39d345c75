package io.quern.cpu.attention;

import io.quern.Shape;
import io.quern.backend.KernelKey;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.op.Layout;
import io.quern.runtime.Raw;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/** Sizes of an attention, and where the rows of its operands lie. Immutable. */
final class AttentionShape {
  /** Queries of a block, whole tiles. */
  static final int QUERIES = 48;

  /** Keys of a block: whole tiles, and whole panels of any width. */
  static final int KEYS = 3 * AttentionMath.LANES;

  /** Bytes from a row of scores to the next. */
  static final long ROW = 4L * KEYS;

  final Shape heads;
  final long queries;
  final long keys;
  final int size;
  final int valueSize;
  final long keyHeads;
  final long group;
  final float scale;
  final boolean causal;
  private final Layout[] layouts;
  private final @Nullable Layout mask;
  private final int maskOperand;

  /**
   * The shape of a key whose first operands are q, k and v; {@code mask} may be past the inputs.
   */
  AttentionShape(KernelKey key, int mask, double scale, boolean causal) {
    Shape q = key.shape(0);
    Shape k = key.shape(1);
    int rank = q.rank();
    this.heads = q.slice(0, rank - 2);
    this.queries = q.dim(-2);
    this.keys = k.dim(-2);
    this.size = q.intDim(-1);
    this.valueSize = key.shape(2).intDim(-1);
    this.keyHeads = k.slice(0, rank - 2).size();
    this.group = keyHeads == 0 ? 0 : heads.size() / keyHeads;
    this.scale = (float) scale;
    this.causal = causal;
    this.layouts = new Layout[mask];
    for (int i = 0; i < mask; i++) {
      layouts[i] = key.layout(i);
    }
    this.maskOperand = mask;
    this.mask = mask < key.inputs() ? key.layout(mask).expand(q.with(-1, keys)) : null;
  }

  /** Whether sizes are such that the arithmetic of the kernels cannot overflow. */
  static boolean fits(KernelKey key) {
    return key.shape(0).dim(-1) < 1 << 16 && key.shape(2).dim(-1) < 1 << 16;
  }

  /** Bytes from the start of an operand to the matrix of one head. */
  long head(int operand, long head) {
    return head(layouts[operand], head);
  }

  private static long head(Layout layout, long head) {
    long offset = 0;
    for (int d = layout.rank() - 3; d >= 0; d--) {
      long size = layout.shape().dim(d);
      offset += head % size * layout.stride(d);
      head /= size;
    }
    return 4 * offset;
  }

  /** Bytes from a row of an operand to the next. */
  long row(int operand) {
    return 4 * layouts[operand].stride(-2);
  }

  /** Bytes from an element of an operand to the next of its row. */
  long step(int operand) {
    return 4 * layouts[operand].stride(-1);
  }

  /** Operand number of the mask. */
  int maskOperand() {
    return maskOperand;
  }

  /** Number of keys that the queries before {@code end} see. */
  long visible(long end) {
    return causal ? Math.min(keys, end) : keys;
  }

  /** Address of the mask of one head in the mask at {@code base}, if any. */
  long maskOf(long base, long head) {
    return mask == null ? base : base + head(mask, head);
  }

  /** Minus infinities that fill up rows of scores. */
  private static final class Hidden {
    private static final Arena OWNER = Arena.ofAuto();
    static final long ROW = row();

    private static long row() {
      long row = OWNER.allocate(4L * AttentionMath.LANES, 64).address();
      for (int i = 0; i < AttentionMath.LANES; i++) {
        Raw.putFloat(row + 4L * i, Float.NEGATIVE_INFINITY);
      }
      return row;
    }
  }

  /** Fills up rows of scores of so many keys, for {@link #finish}. */
  static void fillUp(long scores, long rows, long count) {
    long rest = roundUp(count, AttentionMath.LANES) - count;
    MicroKernel.chosen().copyRows(Hidden.ROW, 0, scores + 4 * count, ROW, rows, rest, -0f);
  }

  /**
   * Finishes a row of scores that is filled up: adds the mask, and hides keys that the query must
   * not see.
   *
   * @param maskOfHead see {@link #maskOf}
   * @param row address of the scores of the keys from {@code key} on
   * @param count keys in the row
   */
  void finish(AttentionMath math, long maskOfHead, long query, long key, long count, long row) {
    if (mask != null) {
      long step = 4 * mask.stride(-1);
      long from = maskAt(maskOfHead, query, key);
      if (step == 4) {
        math.add(from, count, row);
      } else {
        for (long j = 0; j < count; j++) {
          Raw.putFloat(row + 4 * j, Raw.getFloat(row + 4 * j) + Raw.getFloat(from + j * step));
        }
      }
    }
    long visible = causal ? Math.clamp(query - key + 1, 0, count) : count;
    for (long at = row + 4 * visible; at < row + 4 * count; at += 4) {
      Raw.putFloat(at, Float.NEGATIVE_INFINITY);
    }
  }

  /** Whether nothing but a mask, whose rows are whole, is to be added to scores. */
  boolean isPlain() {
    return !causal && (mask == null || mask.stride(-1) == 1);
  }

  /**
   * Address of the mask of a query in the mask of its head, from a key on; 0 when there is none.
   */
  long maskAt(long maskOfHead, long query, long key) {
    return mask == null ? 0 : maskOfHead + 4 * (query * mask.stride(-2) + key * mask.stride(-1));
  }

  /** Bytes from a row of the mask to the next. */
  long maskRow() {
    return mask == null ? 0 : 4 * mask.stride(-2);
  }

  static long roundUp(long value, long multiple) {
    return (value + multiple - 1) / multiple * multiple;
  }
}
