package io.quern.cpu.pool;

import io.quern.cpu.reduce.RunReduce;
import io.quern.op.Pool2d;
import io.quern.op.Reduce;
import io.quern.runtime.Raw;

/** A window that is the whole plane, as in global pooling: a fold of one run. */
final class WholePool implements PlanePool {
  private final int elements;
  private final boolean average;
  private final RunReduce fold;

  WholePool(PoolShape shape) {
    this.elements = shape.h() * shape.w();
    this.average = shape.pool().fn() == Pool2d.Fn.AVG;
    this.fold = RunReduce.of(average ? Reduce.Fn.SUM : Reduce.Fn.MAX);
  }

  @Override
  public long scratchBytes() {
    return RunReduce.SCRATCH;
  }

  @Override
  public void plane(long from, long to, long scratch) {
    planes(from, 0, 1, to, 0, scratch);
  }

  @Override
  public void planes(long from, long fromPlane, long planes, long to, long toPlane, long scratch) {
    fold.runs(from, elements, planes, to, scratch);
    for (long at = to; average && at < to + 4L * planes; at += 4) {
      Raw.putFloat(at, Raw.getFloat(at) / elements);
    }
  }
}
