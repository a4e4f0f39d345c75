package io.quern.cpu.optim;

import io.quern.backend.Operands;
import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.MachineFunction;
import io.quern.op.AdamStep;
import io.quern.op.SgdStep;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import io.quern.runtime.Raw;

/** The steps by machine code, for processes that have it. */
final class MachineStepMath extends StepMath {
  private static final int LANES = 16;
  private static final int SGD_SCALARS = 3;
  private static final int ADAM_SCALARS = 4;
  private static final long TABLE =
      8L * StepCode.ADAM_OPERANDS + 4L * StepCode.Adam.values().length;

  private final MachineFunction sgd = MachineTier.place("sgd", new StepCode().sgd(false));
  private final MachineFunction nesterov = MachineTier.place("nesterov", new StepCode().sgd(true));
  private final MachineFunction adam = MachineTier.place("adam", new StepCode().adam());

  @Override
  void sgd(SgdStep op, Operands o, long first, long n) {
    MemoryPool.Block table = HostMemory.shared().allocate(TABLE);
    addresses(o, SGD_SCALARS, first, table.address());
    long factors = table.address() + 8L * StepCode.SGD_OPERANDS;
    put(factors, StepCode.Sgd.DECAY.index, (float) op.weightDecay());
    put(factors, StepCode.Sgd.MOMENTUM.index, (float) op.momentum());
    put(factors, StepCode.Sgd.NEGATIVE_RATE.index, -Raw.getFloat(o.address(SGD_SCALARS)));
    run(op.nesterov() ? nesterov : sgd, table.address(), n);
    HostMemory.shared().free(table);
  }

  @Override
  void adam(AdamStep op, Operands o, long first, long n) {
    MemoryPool.Block table = HostMemory.shared().allocate(TABLE);
    addresses(o, ADAM_SCALARS, first, table.address());
    long factors = table.address() + 8L * StepCode.ADAM_OPERANDS;
    put(factors, StepCode.Adam.DECAY.index, decay(op));
    put(factors, StepCode.Adam.BETA1.index, (float) op.beta1());
    put(factors, StepCode.Adam.ONE_MINUS_BETA1.index, (float) (1 - op.beta1()));
    put(factors, StepCode.Adam.BETA2.index, (float) op.beta2());
    put(factors, StepCode.Adam.ONE_MINUS_BETA2.index, (float) (1 - op.beta2()));
    put(factors, StepCode.Adam.UNBIAS.index, unbias(o));
    put(factors, StepCode.Adam.EPSILON.index, (float) op.epsilon());
    put(factors, StepCode.Adam.NEGATIVE_RATE.index, -rate(o));
    put(factors, StepCode.Adam.KEEP.index, keep(op, o));
    run(adam, table.address(), n);
    HostMemory.shared().free(table);
  }

  /** Where the first element of each operand but the scalars is. */
  private static void addresses(Operands o, int scalars, long first, long table) {
    long at = table;
    for (int i = 0; i < o.count(); i++) {
      if (i != scalars) {
        Raw.putLong(at, o.address(i) + 4 * first);
        at += 8;
      }
    }
  }

  private static void put(long factors, int index, float value) {
    Raw.putFloat(factors + 4L * index, value);
  }

  private static void run(MachineFunction code, long table, long n) {
    long whole = n / LANES * LANES;
    code.call(table, 4 * whole, (1L << (n - whole)) - 1);
  }
}
