package io.quern.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.quern.DType;
import io.quern.Device;
import io.quern.Shape;
import io.quern.backend.Buffer;
import io.quern.backend.DeviceContext;
import io.quern.backend.HostContext;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.backend.Operands;
import io.quern.op.SgdStep;
import io.quern.op.Unary;
import io.quern.runtime.Raw;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;

/** The check finds kernels that misbehave. */
class KernelCheckTest {
  private static final int COUNT = 17;

  private static final OpCase NEGATE =
      OpCase.of(
          new Unary(Unary.Fn.NEG),
          Tolerance.exact(),
          "",
          Input.of(DType.F32, Shape.of(COUNT), Values.signed()));

  /** The reference device with kernels that do something else after the right thing. */
  private record Sabotaged(DeviceContext correct, BiConsumer<Operands, Integer> sabotage)
      implements HostContext {
    @Override
    public Optional<Kernel> kernel(KernelKey key) {
      Kernel kernel = correct.kernel(key).orElseThrow();
      int[] run = new int[1];
      return Optional.of(
          new Kernel() {
            @Override
            public void run(Operands operands) {
              kernel.run(operands);
              sabotage.accept(operands, run[0]++);
            }

            @Override
            public String name() {
              return "sabotaged";
            }
          });
    }

    @Override
    public String describe() {
      return "broken on purpose";
    }

    @Override
    public Buffer allocate(long bytes) {
      return correct.allocate(bytes);
    }

    @Override
    public Map<String, List<String>> kernels() {
      return Map.of();
    }
  }

  private static DeviceContext device(BiConsumer<Operands, Integer> sabotage) {
    return new Sabotaged(Device.reference().context(), sabotage);
  }

  private static void assertFound(
      OpCase opCase, String message, BiConsumer<Operands, Integer> sabotage) {
    assertThatExceptionOfType(AssertionError.class)
        .isThrownBy(() -> KernelCheck.run(opCase, device(sabotage)))
        .withMessageContaining(message);
  }

  @Test
  void correctKernelsPass() {
    assertThat(KernelCheck.run(NEGATE, device((operands, run) -> {}))).contains("sabotaged");
  }

  @Test
  void wrongValuesAreFound() {
    assertFound(
        NEGATE,
        "1 of 17 elements are wrong; element 16 of output 0 is",
        (operands, run) -> {
          long last = operands.address(1) + 4 * (COUNT - 1);
          Raw.putFloat(last, Math.nextUp(Raw.getFloat(last)));
        });
  }

  @Test
  void lostSignOfZeroIsFound() {
    OpCase zeros =
        OpCase.of(
            new Unary(Unary.Fn.NEG),
            Tolerance.exact(),
            "",
            Input.of(DType.F32, Shape.of(3), Values.of(0)));
    assertFound(
        zeros, "is 0.0, expected -0.0", (operands, run) -> Raw.putFloat(operands.address(1), 0));
  }

  @Test
  void writesAroundTheOutputAreFound() {
    assertFound(
        NEGATE,
        "byte 68 of output 0 was written, which has 68 bytes",
        (operands, run) -> Raw.putByte(operands.address(1) + 4 * COUNT, (byte) 1));
    assertFound(
        NEGATE,
        "byte -1 of output 0 was written",
        (operands, run) -> Raw.putByte(operands.address(1) - 1, (byte) 1));
  }

  @Test
  void writesIntoInputsAreFound() {
    assertFound(
        NEGATE,
        "byte 0 of input 0 was written",
        (operands, run) -> Raw.putFloat(operands.address(0), 100));
  }

  @Test
  void otherResultsOfTheSecondRunAreFound() {
    OpCase loose =
        OpCase.of(
            new Unary(Unary.Fn.NEG),
            Tolerance.ulps(4),
            "",
            Input.of(DType.F32, Shape.of(COUNT), Values.signed()));
    assertFound(
        loose,
        "a second run gives other values",
        (operands, run) -> {
          float value = Raw.getFloat(operands.address(1));
          Raw.putFloat(operands.address(1), run == 0 ? value : Math.nextUp(value));
        });
  }

  @Test
  void otherResultsInPlaceAreFound() {
    OpCase step = OpCases.of(SgdStep.class).getLast();
    assertThat(step.inPlace()).isNotEmpty();
    assertFound(
        step,
        "a run in place gives other values",
        (operands, run) -> {
          if (operands.address(0) == operands.address(4)) {
            Raw.putDouble(operands.address(4), 0);
          }
        });
  }
}
