package io.quern.gpu;

import static io.quern.gpu.Staging.BUFFER;
import static io.quern.gpu.Staging.DIRECT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.quern.backend.Buffer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Copies of all sizes and kinds of memory, on a driver that moves bytes as late as it may. */
class StagingTest {
  private static final long MOST = 6L * BUFFER;

  /** Sizes around where copies change their ways. */
  private static final long[] SIZES = {
    0,
    1,
    DIRECT - 1,
    DIRECT,
    DIRECT + 1,
    BUFFER - 1,
    BUFFER,
    BUFFER + 1,
    2L * BUFFER,
    (long) Staging.BUFFERS * BUFFER,
    (long) Staging.BUFFERS * BUFFER + 1,
    MOST - 4321
  };

  enum Pinned {
    THERE,
    NONE,
    REFUSED;

    FakeGpu gpu() {
      FakeGpu gpu = new FakeGpu(128 << 20);
      switch (this) {
        case THERE -> {}
        case NONE -> gpu.withoutPinned();
        case REFUSED -> gpu.refusePinned();
      }
      return gpu;
    }
  }

  @ParameterizedTest
  @EnumSource
  void bytesArrive(Pinned pinned, @TempDir Path directory) throws IOException {
    FakeGpu gpu = pinned.gpu();
    GpuContext context = new GpuContext(gpu);
    Buffer buffer = context.allocate(MOST + 16);
    try (Arena arena = Arena.ofConfined();
        FileChannel file =
            FileChannel.open(
                directory.resolve("mapped"),
                StandardOpenOption.CREATE,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE)) {
      List<MemorySegment> memories =
          List.of(
              MemorySegment.ofArray(new byte[(int) MOST]),
              MemorySegment.ofArray(new float[(int) MOST / 4]),
              arena.allocate(MOST),
              file.map(FileChannel.MapMode.READ_WRITE, 0, MOST, arena));
      for (MemorySegment memory : memories) {
        for (long size : SIZES) {
          for (long offset = 0; offset <= Math.min(3, MOST - size); offset += 3) {
            checkCopies(context, buffer, memory.asSlice(offset, size), offset);
          }
        }
      }
    }
    assertThat(gpu.pinned())
        .isEqualTo(pinned == Pinned.THERE ? (long) Staging.BUFFERS * BUFFER : 0);
    buffer.release();
  }

  /** Uploads from memory and overwrites it, and downloads to it. */
  private static void checkCopies(
      GpuContext context, Buffer buffer, MemorySegment memory, long offset) {
    byte[] expected = bytes(memory.byteSize());
    memory.copyFrom(MemorySegment.ofArray(expected));
    context.upload(memory, buffer, offset);
    memory.fill((byte) -1);
    context.download(buffer, offset, memory);
    assertThat(memory.mismatch(MemorySegment.ofArray(expected))).isEqualTo(-1);
  }

  private static byte[] bytes(long size) {
    byte[] bytes = new byte[(int) size];
    new SplittableRandom(size).nextBytes(bytes);
    return bytes;
  }

  /** Uploads that follow one another reuse buffers whose copies may not be done. */
  @Test
  void uploadsFollowOneAnother() {
    GpuContext context = new GpuContext(Pinned.THERE.gpu());
    Buffer[] buffers = new Buffer[50];
    MemorySegment memory = Arena.ofAuto().allocate(DIRECT + 8, 8);
    for (int i = 0; i < buffers.length; i++) {
      buffers[i] = context.allocate(memory.byteSize());
      memory.fill((byte) i);
      context.upload(memory, buffers[i], 0);
    }
    for (int i = 0; i < buffers.length; i++) {
      context.download(buffers[i], 0, memory);
      assertThat(memory.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) i);
      assertThat(memory.get(ValueLayout.JAVA_BYTE, memory.byteSize() - 1)).isEqualTo((byte) i);
    }
  }

  @ParameterizedTest
  @EnumSource
  void threadsCopyAtTheSameTime(Pinned pinned) throws Exception {
    GpuContext context = new GpuContext(pinned.gpu());
    try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
      List<Future<?>> results = new ArrayList<>();
      for (int thread = 0; thread < 4; thread++) {
        long size = BUFFER + (long) thread * DIRECT;
        results.add(threads.submit(() -> copyRepeatedly(context, size)));
      }
      for (Future<?> result : results) {
        result.get();
      }
    }
  }

  private static void copyRepeatedly(GpuContext context, long size) {
    Buffer buffer = context.allocate(size);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocate(size);
      for (int i = 0; i < 20; i++) {
        checkCopies(context, buffer, memory, 0);
      }
    }
    buffer.release();
  }

  @Test
  void missingPinnedMemoryIsToldOnce() {
    List<String> told = new ArrayList<>();
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord message) {
            told.add(String.valueOf(message.getParameters()[1]));
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    Logger logger = Logger.getLogger("io.quern");
    logger.addHandler(handler);
    try {
      GpuContext context = new GpuContext(Pinned.REFUSED.gpu());
      Buffer buffer = context.allocate(2 * DIRECT);
      for (int i = 0; i < 3; i++) {
        context.upload(MemorySegment.ofArray(new byte[2 * DIRECT]), buffer, 0);
      }
    } finally {
      logger.removeHandler(handler);
    }
    assertThat(told).containsExactly("fake: no pinned memory");
  }

  @Test
  void aLostDeviceIsNotTriedAgain() {
    FakeGpu gpu = Pinned.THERE.gpu();
    GpuContext context = new GpuContext(gpu);
    Buffer buffer = context.allocate(2 * DIRECT);
    MemorySegment memory = MemorySegment.ofArray(new byte[2 * DIRECT]);
    gpu.failWith(FakeGpu.STICKY);
    assertThatExceptionOfType(GpuException.class)
        .isThrownBy(() -> context.upload(memory, buffer, 0));
    gpu.failWith(0);
    assertThatExceptionOfType(IllegalStateException.class)
        .isThrownBy(() -> context.upload(memory, buffer, 0));
    assertThat(gpu.pinned()).isZero();
  }
}
