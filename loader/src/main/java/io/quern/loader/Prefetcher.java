package io.quern.loader;

import java.util.concurrent.CancellationException;
import org.agrona.concurrent.Agent;
import org.agrona.concurrent.AgentTerminationException;
import org.agrona.concurrent.IdleStrategy;

/** Makes batches ahead while there is room for them. */
final class Prefetcher implements Agent {
  private final BatchIterator source;
  private final Handover handover;

  Prefetcher(BatchIterator source, Handover handover) {
    this.source = source;
    this.handover = handover;
  }

  @Override
  public String roleName() {
    return "quern-prefetch";
  }

  @Override
  public int doWork() {
    if (handover.isFull()) {
      return 0;
    }
    try {
      if (!handover.isClosed() && source.hasNext()) {
        handover.put(source.next());
        return 1;
      }
      handover.finish(null);
    } catch (Throwable failure) {
      handover.finish(failure);
    }
    throw new AgentTerminationException(true);
  }

  @Override
  public void onClose() {
    source.close();
    handover.finish(new CancellationException("prefetch: its thread was interrupted"));
  }

  /** Sleeps until there is room. */
  IdleStrategy idleStrategy() {
    return new IdleStrategy() {
      @Override
      public void idle(int workCount) {
        if (workCount == 0) {
          idle();
        }
      }

      @Override
      public void idle() {
        try {
          handover.awaitRoom();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
      }

      @Override
      public void reset() {}
    };
  }
}
