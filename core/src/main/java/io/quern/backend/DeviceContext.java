package io.quern.backend;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** One opened device. Thread-safe. */
public interface DeviceContext {
  /** One line about the hardware and how it is used. */
  String describe();

  /** What would make it faster, a sentence with the remedy each; empty when nothing is known. */
  default List<String> advice() {
    return List.of();
  }

  /**
   * Times variants of kernels and remembers the fastest, for later processes too.
   *
   * @return what was found, a line each; empty when there is nothing to choose
   */
  default List<String> tune() {
    return List.of();
  }

  /** A buffer of at least {@code bytes} bytes with undefined content. */
  Buffer allocate(long bytes);

  /** The kernel for {@code key}, if this device has one. */
  Optional<Kernel> kernel(KernelKey key);

  /** Copies host memory into a buffer. */
  void upload(MemorySegment from, Buffer to, long byteOffset);

  /** Copies from a buffer to host memory. */
  void download(Buffer from, long byteOffset, MemorySegment to);

  /**
   * Copies to the start of a buffer from one of another device, after what was handed to either
   * before.
   *
   * @return false when this takes a detour by host memory, which is up to the caller; nothing has
   *     happened then
   */
  default boolean copyFrom(
      DeviceContext other, Buffer from, long byteOffset, Buffer to, long bytes) {
    return false;
  }

  /** Waits until everything that was handed to the device is done. */
  default void finish() {}

  /**
   * Records what {@code work} hands to the device, without doing it, so that all of it can be
   * handed over at once and again.
   *
   * @return null when this device or this work cannot be recorded; nothing has happened then
   */
  default @Nullable Recording record(Runnable work) {
    return null;
  }

  /** Work of a device that was recorded, on the buffers that it had then. */
  interface Recording {
    /** Hands the work to the device. */
    void run();
  }

  /** Whether buffers are host memory, so that the reference kernels can run on them. */
  boolean isHostMemory();

  /** Names of the kernels by op, in order of preference. */
  Map<String, List<String>> kernels();
}
