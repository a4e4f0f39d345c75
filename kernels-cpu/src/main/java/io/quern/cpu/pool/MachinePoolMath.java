package io.quern.cpu.pool;

import io.quern.cpu.fused.FusedLoop;
import io.quern.cpu.fused.MachineLoop;
import io.quern.op.Binary;
import io.quern.op.Pool2d;
import io.quern.op.ScalarProgram;
import io.quern.op.ScalarProgram.Apply2;
import io.quern.runtime.Raw;
import java.util.List;

/** Chains of machine code over two or three runs at a time. */
final class MachinePoolMath extends PoolMath {
  private static final ScalarProgram DIVIDE = program(2, new Apply2(Binary.Fn.DIV, 0, 1));

  private final FusedLoop ofTwo;
  private final FusedLoop ofThree;
  private final FusedLoop divide;

  MachinePoolMath(Pool2d.Fn fn) {
    super(fn);
    Binary.Fn op = fn == Pool2d.Fn.MAX ? Binary.Fn.MAX : Binary.Fn.ADD;
    this.ofTwo = loop(program(2, new Apply2(op, 0, 1)));
    this.ofThree = loop(program(3, new Apply2(op, 0, 1), new Apply2(op, 3, 2)));
    this.divide = loop(DIVIDE);
  }

  /** Whether there is machine code for it in this process. */
  static boolean isUsed() {
    return MachineLoop.covers(DIVIDE);
  }

  private static ScalarProgram program(int inputs, ScalarProgram.Step... steps) {
    return new ScalarProgram(inputs, List.of(steps));
  }

  private static FusedLoop loop(ScalarProgram program) {
    return MachineLoop.of(program, new boolean[program.inputs()]).orElseThrow();
  }

  @Override
  public void fold(long from, long step, int terms, long n, long to, long scratch) {
    if (terms == 1) {
      Raw.copy(from, to, 4 * n);
      return;
    }
    long first = from;
    for (int term = 1; term < terms; term += 2) {
      long second = from + term * step;
      if (term + 1 < terms) {
        run(ofThree, scratch, n, first, second, second + step, to);
      } else {
        run(ofTwo, scratch, n, first, second, to, 0);
      }
      first = to;
    }
  }

  @Override
  void divide(long x, long y, long n, long scratch) {
    run(divide, scratch, n, x, y, x, 0);
  }

  private static void run(FusedLoop loop, long table, long n, long a, long b, long c, long d) {
    Raw.putLong(table, a);
    Raw.putLong(table + 8, b);
    Raw.putLong(table + 16, c);
    Raw.putLong(table + 24, d);
    loop.run(table, n);
  }
}
