package io.quern.cpu.conv;

import static io.quern.cpu.gemm.MicroKernel.ROWS;

import io.quern.backend.Operands;
import io.quern.cpu.gemm.MicroKernel;
import io.quern.runtime.HostMemory;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;

/**
 * Packed weights times the planes of all images of a batch: the forward pass of a convolution, and
 * the gradient of its images. Immutable and thread-safe.
 *
 * <p>Positions are taken in strips that stay in the first-level cache with the image rows they
 * read, and all output channels are computed for a strip before the next.
 */
final class PlaneProduct {
  /** Tiles of a strip. */
  private static final int STRIP = 8;

  // What a call keeps for its tasks.
  private static final int IMAGES = 0;
  private static final int WEIGHTS = 1;
  private static final int BIAS = 2;
  private static final int OUTPUTS = 3;
  private static final int PARTS = 4;

  private final MicroKernel micro = MicroKernel.chosen();
  private final int width = micro.columns();
  private final Plane plane;
  private final int images;
  private final int groups;
  private final int channels;
  private final long sourceBytes;
  private final long targetBytes;
  private final int strips;
  private final Workers.Task<Operands> task = this::compute;

  /**
   * Products of {@code images * groups} planes.
   *
   * @param channels channels of one group of the result
   * @param sourceBytes bytes of one group of what the plane reads
   * @param targetBytes bytes of one group of the result
   */
  PlaneProduct(
      Plane plane, int images, int groups, int channels, long sourceBytes, long targetBytes) {
    this.plane = plane;
    this.images = images;
    this.groups = groups;
    this.channels = channels;
    this.sourceBytes = sourceBytes;
    this.targetBytes = targetBytes;
    this.strips = (plane.positions() + STRIP * width - 1) / (STRIP * width);
  }

  /** Bytes of the packed weights of one group. */
  long packedBytes() {
    return 4L * plane.depth() * ROWS * ((channels + ROWS - 1) / ROWS);
  }

  /**
   * Computes the outputs of all images.
   *
   * @param call keeps the addresses for the tasks
   * @param weights address of the packed weights, group after group
   * @param bias address of one float per channel, or 0
   */
  void run(Operands call, long images, long weights, long bias, long outputs) {
    int planes = this.images * groups;
    // Few planes are cut into strips as well; each strip's task then pads the image for itself.
    boolean whole = planes >= 8 || (plane.needsFill() && strips < 8);
    int parts = whole ? 1 : Math.min(strips, 8);
    call.keep(IMAGES, images);
    call.keep(WEIGHTS, weights);
    call.keep(BIAS, bias);
    call.keep(OUTPUTS, outputs);
    call.keep(PARTS, parts);
    Workers.shared().run(task, call, planes * parts);
  }

  private void compute(Operands call, int chunk) {
    int parts = (int) call.kept(PARTS);
    int index = chunk / parts;
    int part = chunk % parts;
    int group = index % groups;
    HostMemory.Block memory = HostMemory.shared().allocate(ROWS * asideRow() + plane.bytes());
    long aside = memory.address();
    long image = call.kept(IMAGES) + index * sourceBytes;
    if (plane.needsFill()) {
      long filled = aside + ROWS * asideRow();
      plane.fill(image, filled);
      image = filled;
    }
    long weights = call.kept(WEIGHTS) + group * packedBytes();
    long bias = call.kept(BIAS) == 0 ? 0 : call.kept(BIAS) + 4L * group * channels;
    long output = call.kept(OUTPUTS) + index * targetBytes;
    int from = strips * part / parts;
    int to = strips * (part + 1) / parts;
    for (int strip = from; strip < to; strip++) {
      strip(image, weights, bias, output, strip * STRIP * width, aside);
    }
    HostMemory.shared().free(memory);
  }

  private long asideRow() {
    return 4L * (STRIP + 1) * width;
  }

  private void strip(long image, long weights, long bias, long output, int first, long aside) {
    int count = Math.min(STRIP * width, plane.positions() - first);
    // The last tile moves back so that it reads nothing beyond the image; what it then computes
    // again lies before the strip's first position.
    int last = Math.max(0, plane.positions() - width) - first;
    long asideRow = asideRow();
    long strip = aside + 4L * width;
    int whole = plane.pitch() == plane.columns() ? count / width * width : 0;
    for (int channel = 0; channel < channels; channel += ROWS) {
      long packed = weights + 4L * channel * plane.depth();
      int direct = channel + ROWS <= channels ? whole : 0;
      inPlace(image, packed, bias, output, channel, first, direct);
      for (int next = direct; next < count; next += width) {
        int at = Math.min(next, last);
        micro.tile(
            packed,
            packed + 4,
            packed + 8,
            packed + 12,
            packed + 16,
            packed + 20,
            4 * ROWS,
            image + 4L * (first + at),
            plane.offsets(),
            plane.depth(),
            strip + 4L * at,
            asideRow,
            false);
      }
      int present = Math.min(ROWS, channels - channel);
      for (int i = 0; i < present; i++) {
        float add = bias == 0 ? 0 : Raw.getFloat(bias + 4L * (channel + i));
        long target = output + 4L * (channel + i) * plane.rows() * plane.columns();
        copyOut(strip + i * asideRow + 4L * direct, first + direct, count - direct, target, add);
      }
    }
  }

  /** Computes whole tiles of outputs that lie like the positions where they belong. */
  private void inPlace(
      long image, long packed, long bias, long output, int channel, int first, int count) {
    long row = 4L * plane.positions();
    for (int at = first; at < first + count; at += width) {
      long tile = output + channel * row + 4L * at;
      if (bias != 0) {
        micro.fill(bias + 4L * channel, tile, row);
      }
      micro.tile(
          packed,
          packed + 4,
          packed + 8,
          packed + 12,
          packed + 16,
          packed + 20,
          4 * ROWS,
          image + 4L * at,
          plane.offsets(),
          plane.depth(),
          tile,
          row,
          bias != 0);
    }
  }

  /** Copies the positions that are outputs to their places. */
  private void copyOut(long aside, int first, int count, long target, float add) {
    int pitch = plane.pitch();
    int columns = plane.columns();
    if (pitch == columns) {
      micro.copyRow(aside, target + 4L * first, count, add);
      return;
    }
    int row = first / pitch;
    int column = first - row * pitch;
    for (int at = 0; at < count; ) {
      int wanted = Math.min(columns - column, count - at);
      if (wanted > 0) {
        micro.copyRow(aside + 4L * at, target + 4L * (row * columns + column), wanted, add);
      }
      at += pitch - column;
      row++;
      column = 0;
    }
  }
}
