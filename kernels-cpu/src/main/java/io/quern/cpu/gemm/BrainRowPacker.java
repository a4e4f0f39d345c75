package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;

/**
 * Packs the weights of a convolution of BF16 as rows for {@link BrainPanel}: pairs of channels for
 * each tap, and zeros where rows are not whole. Thread-safe.
 */
public final class BrainRowPacker implements Packer {
  private static final int BYTES = 2;
  private static final int FROM = 0;
  private static final int TO = 1;

  private final Weights weights;
  private final long k;
  private final Workers.Task<Operands> task = this::row;

  /**
   * Weights [groups * rows, channels, taps] or, turned around for gradients, [groups * channels,
   * rows, taps] with the taps from last to first.
   */
  private record Weights(int groups, int rows, int channels, int taps, boolean turned) {}

  /** A packer of weights. */
  public BrainRowPacker(int groups, int rows, int channels, int taps, boolean turned) {
    this.weights = new Weights(groups, rows, channels, taps, turned);
    this.k = BrainPanel.wholeDepth((channels + 1L) / 2 * 2 * taps);
  }

  /** Elements of a row. */
  public long depth() {
    return k;
  }

  /** Bytes of a row. */
  public long rowBytes() {
    return BYTES * k;
  }

  /** Bytes of a group's rows. */
  public long groupBytes() {
    return weights.rows * rowBytes();
  }

  @Override
  public long bytes() {
    return weights.groups * groupBytes();
  }

  @Override
  public void pack(Operands call, long from, long to) {
    call.keep(FROM, from);
    call.keep(TO, to);
    Workers.shared().run(task, call, weights.groups * weights.rows);
  }

  private void row(Operands call, int task) {
    int group = task / weights.rows;
    int row = task % weights.rows;
    int taps = weights.taps;
    long to = call.kept(TO) + task * rowBytes();
    Raw.zero(to, rowBytes());
    for (int channel = 0; channel < weights.channels; channel++) {
      long index =
          weights.turned
              ? ((long) group * weights.channels + channel) * weights.rows + row
              : (long) task * weights.channels + channel;
      long from = call.kept(FROM) + BYTES * index * taps;
      long target = to + 2L * BYTES * (channel / 2) * taps + (long) BYTES * (channel % 2);
      for (int tap = 0; tap < taps; tap++) {
        int source = weights.turned ? taps - 1 - tap : tap;
        Raw.putShort(target + 2L * BYTES * tap, Raw.getShort(from + (long) BYTES * source));
      }
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof BrainRowPacker packer && weights.equals(packer.weights);
  }

  @Override
  public int hashCode() {
    return weights.hashCode();
  }

  @Override
  public String name() {
    return "pack_bf16_rows";
  }
}
