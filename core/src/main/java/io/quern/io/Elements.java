package io.quern.io;

import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.grad.Tape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;

/** Writes the elements of tensors in row-major order, as they lie in memory. */
public final class Elements {
  private static final int CHUNK = 1 << 22;

  private Elements() {}

  /** Writes all elements, a part at a time, so that those of a device need little memory here. */
  public static void write(WritableByteChannel channel, Tensor tensor) throws IOException {
    try (Arena arena = Arena.ofConfined();
        TensorScope _ = TensorScope.open("writing a file")) {
      Tensor flat =
          Tape.withoutRecording(() -> tensor.contiguous().reshape(Shape.of(tensor.size())));
      MemorySegment chunk = arena.allocate(Math.min(CHUNK, flat.spec().byteSize()));
      int step = CHUNK / tensor.dtype().bytes();
      for (long from = 0; from < flat.size(); from += step) {
        long first = from;
        long to = Math.min(from + step, flat.size());
        MemorySegment part = chunk.asSlice(0, flat.dtype().byteSize(to - from));
        Tape.withoutRecording(() -> flat.slice(0, first, to)).copyTo(part);
        writeFully(channel, part.asByteBuffer());
      }
    }
  }

  static void writeFully(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }
}
