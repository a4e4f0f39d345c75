package io.quern.loader;

import io.quern.Batch;
import java.util.Iterator;

/**
 * The batches of one epoch, each made when it is asked for, or ahead of that by {@link
 * Batches#prefetch}. For one thread at a time.
 *
 * <p>Whoever takes a batch closes it or forgets it. When {@link #next} throws what the making of a
 * batch has thrown, the iteration is over. Closing ends it early and is only for promptness: an
 * iterator that is forgotten, as by a {@code break} in a for-each loop, gives back its thread and
 * its memory after garbage collection.
 */
public interface BatchIterator extends Iterator<Batch>, AutoCloseable {
  /**
   * Ends the iteration: {@link #hasNext} is false from now on. Batches made ahead are closed, and
   * the thread that makes them has ended when this returns.
   */
  @Override
  void close();
}
