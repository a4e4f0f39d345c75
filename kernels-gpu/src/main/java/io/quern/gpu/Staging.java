package io.quern.gpu;

import io.quern.runtime.HostMemory;
import io.quern.runtime.Log;
import io.quern.runtime.Raw;
import io.quern.runtime.Workers;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;

/**
 * Copies between host and device. Those from and to the Java heap, and large ones where the driver
 * has pinned memory, go through a ring of buffers: while the driver moves one, threads of the host
 * fill or empty others. Host memory is not touched after a call. Calls come one at a time.
 */
final class Staging {
  /** Number of pinned buffers, each of which has the mark of its number. */
  static final int BUFFERS = 4;

  /** Bytes of each buffer. */
  static final int BUFFER = 4 << 20;

  /** Native memory up to this size is left to the driver. */
  static final int DIRECT = 64 << 10;

  /** Bytes that one thread copies at a time. */
  private static final int PIECE = 256 << 10;

  private final Gpu gpu;

  /** Address of the buffers; 0 before they are needed. */
  private long ring;

  /** Number of buffers: 1 when they are not pinned, 0 until that is known. */
  private int buffers;

  /** The buffer that was used last. */
  private int last;

  Staging(Gpu gpu) {
    this.gpu = gpu;
  }

  /** Copies to the device, which may not have all of it yet on return. */
  void toDevice(MemorySegment host, long device) {
    long bytes = host.byteSize();
    if (isDirect(host)) {
      gpu.copyToDevice(device, host.address(), bytes);
      gpu.finish();
      return;
    }
    for (long at = 0; at < bytes; at += BUFFER) {
      long part = Math.min(BUFFER, bytes - at);
      int buffer = take();
      gpu.await(buffer);
      new Range(view(host), start(host) + at, Raw.ALL, address(buffer), part).copy();
      gpu.copyToDevice(device + at, address(buffer), part);
      gpu.mark(buffer);
    }
  }

  /** Copies from the device, when queued work is done. */
  void toHost(long device, MemorySegment host) {
    long bytes = host.byteSize();
    if (isDirect(host)) {
      gpu.copyToHost(host.address(), device, bytes);
      gpu.finish();
      return;
    }
    int buffer = last;
    long queued = 0;
    for (long at = 0; at < bytes; at += BUFFER) {
      for (; queued < bytes && queued < at + (long) buffers * BUFFER; queued += BUFFER) {
        int free = take();
        gpu.copyToHost(address(free), device + queued, Math.min(BUFFER, bytes - queued));
        gpu.mark(free);
      }
      buffer = after(buffer);
      gpu.await(buffer);
      long part = Math.min(BUFFER, bytes - at);
      new Range(Raw.ALL, address(buffer), view(host), start(host) + at, part).copy();
    }
  }

  /** Whether the driver copies from where memory is or to there. */
  private boolean isDirect(MemorySegment host) {
    if (host.isNative() && host.byteSize() <= DIRECT) {
      return true;
    }
    prepare();
    return host.isNative() && buffers == 1;
  }

  /** Finds out whether there is pinned memory. */
  private void prepare() {
    if (buffers == 0) {
      ring = pinnedOrZero();
      buffers = ring == 0 ? 1 : BUFFERS;
    }
  }

  private long pinnedOrZero() {
    try {
      return gpu.allocatePinned((long) BUFFERS * BUFFER);
    } catch (GpuException e) {
      if (e.isSticky()) {
        throw e;
      }
      Log.get()
          .log(
              Level.INFO,
              "{0}: no pinned memory, so copies between host and device are slower: {1}",
              gpu.backend(),
              e.getMessage());
      return 0;
    }
  }

  /** The buffer whose use was longest ago. */
  private int take() {
    last = after(last);
    return last;
  }

  private int after(int buffer) {
    return (buffer + 1) % buffers;
  }

  private long address(int buffer) {
    if (ring == 0) {
      ring = HostMemory.shared().allocate(BUFFER).address();
    }
    return ring + (long) buffer * BUFFER;
  }

  /** What all threads reach host memory by, which may be confined to the calling one. */
  private static MemorySegment view(MemorySegment host) {
    return host.isNative() ? Raw.ALL : host;
  }

  private static long start(MemorySegment host) {
    return host.isNative() ? host.address() : 0;
  }

  private record Range(
      MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes) {
    void copy() {
      Workers.shared().run(Range::copy, this, (int) ((bytes + PIECE - 1) / PIECE));
    }

    private void copy(int piece) {
      long at = (long) piece * PIECE;
      Raw.copy(from, fromOffset + at, to, toOffset + at, Math.min(PIECE, bytes - at));
    }
  }
}
