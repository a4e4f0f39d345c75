package io.quern.cpu.conv;

import io.quern.backend.Operands;
import io.quern.cpu.gemm.Packer;
import io.quern.cpu.gemm.PanelPacker;
import io.quern.cpu.gemm.Transpose;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Workers;

/** Packs filters [c, kh, kw] as if they were [kh, kw, c], in the order of a {@link PixelImage}. */
final class TapPacker implements Packer {
  private static final int FROM = 0;
  private static final int TO = 1;

  private final PanelPacker panels;
  private final int filters;
  private final int channels;
  private final int taps;
  private final Workers.Task<Operands> task = this::turn;

  private TapPacker(PanelPacker panels, int filters, int channels, int taps) {
    this.panels = panels;
    this.filters = filters;
    this.channels = channels;
    this.taps = taps;
  }

  /** A packer that hands filters on to another. */
  static Packer of(PanelPacker panels, ConvShape shape) {
    int taps = shape.window().kernelH() * shape.window().kernelW();
    return taps == 1 ? panels : new TapPacker(panels, shape.groups() * shape.oc(), shape.c(), taps);
  }

  @Override
  public long bytes() {
    return panels.bytes();
  }

  @Override
  public void pack(Operands call, long from, long to) {
    try (MemoryPool.Block turned = HostMemory.shared().allocate(filters * filterBytes())) {
      call.keep(FROM, from);
      call.keep(TO, turned.address());
      Workers.shared().run(task, call, filters);
      panels.pack(call, turned.address(), to);
    }
  }

  private long filterBytes() {
    return 4L * channels * taps;
  }

  private void turn(Operands call, int filter) {
    long at = filter * filterBytes();
    try (MemoryPool.Block scratch = HostMemory.shared().allocate(Transpose.SCRATCH)) {
      Transpose.chosen()
          .run(
              call.kept(FROM) + at,
              4L * taps,
              channels,
              taps,
              call.kept(TO) + at,
              4L * channels,
              scratch.address());
    }
  }

  @Override
  public String name() {
    return panels.name() + "_by_taps";
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TapPacker packer && taps == packer.taps && panels.equals(packer.panels);
  }

  @Override
  public int hashCode() {
    return 31 * panels.hashCode() + taps;
  }
}
