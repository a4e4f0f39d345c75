package io.quern;

import io.quern.backend.Buffer;
import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A buffer that several tensors and running kernels share. It goes back to its allocator with the
 * last holder, or, when holders are forgotten, after the garbage collector has found it.
 */
final class Storage {
  private static final Cleaner CLEANER = Cleaner.create();

  private final Device device;
  private final Holders holders;
  private final Cleaner.Cleanable cleanable;
  private volatile long version;

  Storage(Device device, Buffer buffer) {
    this.device = device;
    this.holders = new Holders(buffer);
    this.cleanable = CLEANER.register(this, holders);
  }

  /** The count of open tensors and running kernels; does not refer to the storage itself. */
  private static final class Holders extends AtomicInteger implements Runnable {
    private static final long serialVersionUID = 1;

    private final transient Buffer buffer;

    Holders(Buffer buffer) {
      this.buffer = buffer;
    }

    @Override
    public void run() {
      buffer.release();
    }
  }

  Device device() {
    return device;
  }

  Buffer buffer() {
    return holders.buffer;
  }

  /** How often the memory was written into since it was made. */
  long version() {
    return version;
  }

  /** Tells that the memory was written into; writers of one tensor take turns anyway. */
  @SuppressWarnings("NonAtomicVolatileUpdate") // any other number will do
  void written() {
    version++;
  }

  /** Takes part in holding the buffer; false when it has gone already. */
  boolean acquire() {
    for (int count = holders.get(); count >= 0; count = holders.get()) {
      if (holders.compareAndSet(count, count + 1)) {
        return true;
      }
    }
    return false;
  }

  /** Undoes one {@link #acquire}; the last one releases the buffer. */
  void release() {
    if (holders.decrementAndGet() == 0 && holders.compareAndSet(0, -1)) {
      cleanable.clean();
    }
  }
}
