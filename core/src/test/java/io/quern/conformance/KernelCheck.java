package io.quern.conformance;

import io.quern.DType;
import io.quern.backend.Buffer;
import io.quern.backend.DeviceContext;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.Layout;
import io.quern.op.TensorSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Runs a case on a device's own kernel, without tensors and dispatch. Besides the values it checks
 * that nothing is written outside of the outputs or into inputs, that nothing outside of the inputs
 * is used, and that a second run gives the same bits.
 */
public final class KernelCheck {
  /** Bytes around each operand. They are NaN as floats and -1 as indices. */
  private static final int GUARD = 256;

  private static final byte SENTINEL = (byte) 0xFF;

  private final Comparison comparison;
  private final OpCase opCase;
  private final DeviceContext device;
  private final Kernel kernel;
  private final List<TensorSpec> outputs;
  private final List<HostArray> bases;

  private KernelCheck(Comparison comparison, DeviceContext device, Kernel kernel) {
    this.comparison = comparison;
    this.opCase = comparison.opCase();
    this.device = device;
    this.kernel = kernel;
    this.outputs = opCase.outputSpecs();
    this.bases = opCase.drawBases();
  }

  /**
   * Checks the kernel that {@code device} has for the case.
   *
   * @return the kernel's name, or empty when the device has none
   * @throws AssertionError if a result is wrong
   */
  public static Optional<String> run(OpCase opCase, DeviceContext device) {
    return run(new Comparison(opCase), device);
  }

  static Optional<String> run(Comparison comparison, DeviceContext device) {
    Optional<Kernel> kernel = device.kernel(key(comparison.opCase()));
    kernel.ifPresent(found -> run(comparison, device, found));
    return kernel.map(Kernel::name);
  }

  /**
   * Checks a kernel that was made for the case.
   *
   * @throws AssertionError if a result is wrong
   */
  public static void run(Comparison comparison, DeviceContext device, Kernel kernel) {
    new KernelCheck(comparison, device, kernel).run();
  }

  /** What a kernel for the case is made for. */
  public static KernelKey key(OpCase opCase) {
    List<TensorSpec> specs = new ArrayList<>(opCase.inputSpecs());
    specs.addAll(opCase.outputSpecs());
    return new KernelKey(
        opCase.op(),
        specs.stream().map(TensorSpec::dtype).toArray(DType[]::new),
        opCase.layouts().toArray(Layout[]::new),
        opCase.inputs().size());
  }

  private void run() {
    List<HostArray> results = compute(Map.of());
    comparison.check(kernel.name(), results);
    requireSame("a second run", results, compute(Map.of()));
    if (!opCase.inPlace().isEmpty()) {
      requireSame("a run in place", results, compute(opCase.inPlace()));
    }
  }

  private void requireSame(String what, List<HostArray> first, List<HostArray> second) {
    for (int i = 0; i < first.size(); i++) {
      if (!java.util.Arrays.equals(first.get(i).values(), second.get(i).values())) {
        throw new AssertionError(opCase + ": " + what + " gives other values");
      }
    }
  }

  private List<HostArray> compute(Map<Integer, Integer> inPlace) {
    int inputs = bases.size();
    Guarded[] guarded = new Guarded[inputs + outputs.size()];
    try {
      for (int i = 0; i < inputs; i++) {
        guarded[i] = new Guarded(bases.get(i).toBytes());
      }
      for (int i = 0; i < outputs.size(); i++) {
        guarded[inputs + i] =
            inPlace.containsKey(i)
                ? guarded[inPlace.get(i)]
                : new Guarded(blank(outputs.get(i).byteSize()));
      }
      runKernel(guarded);
      for (int i = 0; i < guarded.length; i++) {
        boolean isInput = i < inputs && !inPlace.containsValue(i);
        guarded[i].requireUntouched(isInput ? "input " + i : "output " + (i - inputs), isInput);
      }
      List<HostArray> results = new ArrayList<>();
      for (int i = 0; i < outputs.size(); i++) {
        results.add(HostArray.fromBytes(outputs.get(i), guarded[inputs + i].download()));
      }
      return results;
    } finally {
      for (int i = 0; i < guarded.length; i++) {
        if (guarded[i] != null && (i < inputs || !inPlace.containsKey(i - inputs))) {
          guarded[i].buffer.release();
        }
      }
    }
  }

  private void runKernel(Guarded[] guarded) {
    List<Layout> layouts = opCase.layouts();
    KernelKey key = key(opCase);
    Buffer[] buffers = new Buffer[guarded.length];
    long[] byteOffsets = new long[guarded.length];
    for (int i = 0; i < guarded.length; i++) {
      buffers[i] = guarded[i].buffer;
      byteOffsets[i] = GUARD + layouts.get(i).offset() * key.dtype(i).bytes();
    }
    kernel.run(new Operands(buffers, byteOffsets));
  }

  private static MemorySegment blank(long bytes) {
    return Arena.ofAuto().allocate(Math.max(1, bytes), 8).asSlice(0, bytes).fill(SENTINEL);
  }

  /** An operand in the middle of a buffer that is otherwise full of sentinels. */
  private final class Guarded {
    private final MemorySegment before;
    private final Buffer buffer;

    Guarded(MemorySegment content) {
      before = blank(content.byteSize() + 2 * GUARD);
      MemorySegment.copy(content, 0, before, GUARD, content.byteSize());
      buffer = device.allocate(before.byteSize());
      device.upload(before, buffer, 0);
    }

    private MemorySegment downloadAll() {
      MemorySegment after = blank(before.byteSize());
      device.download(buffer, 0, after);
      return after;
    }

    MemorySegment download() {
      return downloadAll().asSlice(GUARD, before.byteSize() - 2 * GUARD);
    }

    /** Compares the sentinels, and for an input the content as well. */
    void requireUntouched(String operand, boolean isInput) {
      MemorySegment after = downloadAll();
      for (long i = 0; i < after.byteSize(); i++) {
        boolean isContent = i >= GUARD && i < after.byteSize() - GUARD;
        if ((isInput || !isContent)
            && before.get(ValueLayout.JAVA_BYTE, i) != after.get(ValueLayout.JAVA_BYTE, i)) {
          throw new AssertionError(
              opCase
                  + ", kernel "
                  + kernel.name()
                  + ": byte "
                  + (i - GUARD)
                  + " of "
                  + operand
                  + " was written, which has "
                  + (after.byteSize() - 2 * GUARD)
                  + " bytes");
        }
      }
    }
  }
}
