package io.quern.gpu;

import io.quern.backend.KernelTable;
import io.quern.runtime.Knob;
import java.util.List;

/**
 * One GPU as its driver shows it: memory by address, and one queue of work that is done in order.
 * Calls may come from any thread, one at a time. Work that is queued has its errors told by a later
 * call, as a {@link GpuException}.
 */
public interface Gpu {
  /** Number of marks that the queue can have. */
  int MARKS = Staging.BUFFERS + 1;

  /** Name of its backend, such as {@code cuda}. */
  String backend();

  /** One line about the hardware and its driver. */
  String describe();

  /** What would make it faster, a sentence with the remedy each. */
  default List<String> advice() {
    return List.of();
  }

  /** Times variants of kernels and remembers the fastest; tells what was found. */
  default List<String> tune(GpuContext context) {
    return List.of();
  }

  /** Adds the algorithms that only devices of this kind have, which are preferred, to a table. */
  default void addKernels(GpuContext context, KernelTable table) {}

  /** Number of multiprocessors, each of which works on a block of threads at a time, or on more. */
  int multiprocessors();

  /** The most threads of a block, at least 256. */
  int blockThreads();

  /** Bytes of memory. */
  long memory();

  /** The setting for how much of it tensors may take, empty for all. */
  Knob memoryLimit();

  /** Address of new device memory, a multiple of 256; 0 when there is not enough. */
  long allocate(long bytes);

  /** Waits for queued work and gives device memory back. */
  void free(long address);

  /**
   * Address of new host memory that is copied faster than other native memory; 0 when there is no
   * such memory.
   *
   * @throws GpuException if the driver has no more of it
   */
  default long allocatePinned(long bytes) {
    return 0;
  }

  /** Queues a copy; host memory must stay until it was waited for. */
  void copyToDevice(long to, long from, long bytes);

  /** Queues a copy; host memory has the bytes when it was waited for. */
  void copyToHost(long to, long from, long bytes);

  /**
   * Address, for functions, of new numbers of 64 bits that {@link #word} reads after {@link
   * #finish}.
   */
  long allocateWords(int count);

  /** The number at an address of such memory. */
  long word(long address);

  /** Sets the number at an address of such memory, when no work is queued. */
  void setWord(long address, long value);

  /** Sets a mark, a number below {@link #MARKS}, behind all work that is queued. */
  default void mark(int number) {}

  /** Waits for the work before a mark, if it was set. */
  default void await(int number) {
    finish();
  }

  /** Whether the driver copies from the memory of another GPU, and orders the work of both. */
  default boolean reaches(Gpu other) {
    return false;
  }

  /** Lets what is queued from now on wait for the work before a mark of a GPU that it reaches. */
  default void follow(Gpu other, int mark) {
    throw new UnsupportedOperationException();
  }

  /** Queues a copy from the memory of a GPU that it reaches. */
  default void copyFromPeer(Gpu other, long from, long to, long bytes) {
    throw new UnsupportedOperationException();
  }

  /** Waits until all queued work is done. */
  void finish();

  /**
   * The text of a source file of the project.
   *
   * @param file its name without the ending
   */
  String source(String file);

  /** The files that may have the functions of a file, those to be preferred first. */
  default List<String> variants(String file) {
    return List.of(file);
  }

  /** Writes chains of elementwise functions. */
  ChainWriter chains();

  /**
   * Loads a module.
   *
   * @param text its source
   * @return its handle
   * @throws GpuException if the driver refuses it
   */
  long load(String text);

  /** Loads a module that the process has written itself, of which there may be many. */
  default long loadGenerated(String text) {
    return load(text);
  }

  /** Handle of a function of a module; 0 when it has none of that name. */
  long function(long module, String name);

  /** The most threads of a block that a function takes. */
  default int mostThreads(long function) {
    return blockThreads();
  }

  /** The most bytes of shared memory of a block, of which the launch sizes what is not declared. */
  default int mostShared() {
    return 0;
  }

  /** Allows a function to have this much shared memory that is sized by the launch. */
  default void reserveShared(long function, int bytes) {}

  /**
   * Begins to record what is queued instead of doing it.
   *
   * @return false when the driver cannot
   */
  default boolean beginRecording() {
    return false;
  }

  /** Ends recording and gives a handle of what was queued since it began. */
  default long endRecording() {
    throw new UnsupportedOperationException();
  }

  /** Queues recorded work. */
  default void replay(long recording) {
    throw new UnsupportedOperationException();
  }

  /** Lets go of recorded work. */
  default void forget(long recording) {}

  /**
   * Queues a launch.
   *
   * @param sizes bytes of each parameter, 0 for the address of device memory
   * @param parameters address of an array of the addresses of the values
   */
  void launch(long function, Grid grid, int[] sizes, long parameters);
}
