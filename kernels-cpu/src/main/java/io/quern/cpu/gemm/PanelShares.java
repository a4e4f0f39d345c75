package io.quern.cpu.gemm;

import io.quern.backend.Operands;
import io.quern.runtime.Workers;

/**
 * Shares a product among threads: each task is a block of rows of A times some panels of B.
 *
 * @param rows of A
 * @param block rows that are multiplied with a panel while it is in the first-level cache
 * @param slot where a call keeps how many panels a task has
 */
record PanelShares(long rows, int block, long panels, int slot) {
  private static final int TASKS_PER_THREAD = 4;

  /** Runs the tasks, where {@code isLarge} on all threads. */
  void run(Operands call, boolean isLarge, Workers.Task<Operands> task) {
    int threads = isLarge ? Workers.shared().threads() : 1;
    long wanted = threads == 1 ? 1 : (long) TASKS_PER_THREAD * threads;
    long each = Math.clamp(blocks() * panels / wanted, 1, panels);
    call.keep(slot, each);
    int tasks = Math.toIntExact(blocks() * ((panels + each - 1) / each));
    if (isLarge) {
      Workers.shared().run(task, call, tasks);
      return;
    }
    for (int chunk = 0; chunk < tasks; chunk++) {
      task.run(call, chunk);
    }
  }

  private long blocks() {
    return (rows + block - 1) / block;
  }

  /** First row of a task. */
  long firstRow(Operands call, int chunk) {
    return chunk / groups(call.kept(slot)) * block;
  }

  private long groups(long each) {
    return (panels + each - 1) / each;
  }

  /** Rows of a task. */
  long count(Operands call, int chunk) {
    return Math.min(block, rows - firstRow(call, chunk));
  }

  /** First panel of a task. */
  long firstPanel(Operands call, int chunk) {
    return chunk % groups(call.kept(slot)) * call.kept(slot);
  }

  /** The panel after a task's last one. */
  long endPanel(Operands call, int chunk) {
    return Math.min(panels, firstPanel(call, chunk) + call.kept(slot));
  }
}
