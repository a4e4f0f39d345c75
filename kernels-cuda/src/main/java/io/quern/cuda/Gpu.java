package io.quern.cuda;

/**
 * One GPU as the driver shows it: memory by address, and one queue of work that is done in order.
 * Calls may come from any thread, one at a time. Work that is queued has its errors told by a later
 * call.
 */
interface Gpu {
  String name();

  /** Compute capability, such as 90 for 9.0. */
  int capability();

  /** Number of multiprocessors. */
  int multiprocessors();

  /** Bytes of memory. */
  long memory();

  /** Version of the driver, such as 12080 for 12.8. */
  int driver();

  /** Address of new device memory, 0 when there is not enough. */
  long allocate(long bytes);

  /** Waits for queued work and gives device memory back. */
  void free(long address);

  /** Address of new host memory that copies need not be staged for. */
  long allocatePinned(long bytes);

  /** Queues a copy; host memory must stay until {@link #finish}. */
  void copyToDevice(long to, long from, long bytes);

  /** Queues a copy; host memory has the bytes after {@link #finish}. */
  void copyToHost(long to, long from, long bytes);

  /** Waits until all queued work is done. */
  void finish();

  /**
   * Loads a module.
   *
   * @param ptx its text
   * @return its handle
   */
  long load(String ptx);

  /** Handle of a function of a module. */
  long function(long module, String name);

  /** Allows a function to have this much shared memory that is sized by the launch. */
  void reserveShared(long function, int bytes);

  /**
   * Begins to record what is queued instead of doing it.
   *
   * @return false when the driver cannot
   */
  boolean beginRecording();

  /** Ends recording and gives a handle of what was queued since it began. */
  long endRecording();

  /** Queues recorded work. */
  void replay(long recording);

  /** Lets go of recorded work. */
  void forget(long recording);

  /** Writes the driver's form of a map to an address that is a multiple of its size. */
  void encode(TileMap map, long matrices, long to);

  /**
   * Queues a launch.
   *
   * @param parameters address of an array of the addresses of the values
   */
  void launch(long function, Grid grid, long parameters);
}
