package io.quern.conformance;

import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.quern.Device;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;

/** All cases on one device; a module that brings a device extends it. */
@Tag("conformance")
public abstract class AbstractConformance {
  /** For extending classes. */
  protected AbstractConformance() {}

  /** The device under test. */
  protected abstract Device device();

  /** How tensors are computed. */
  protected List<Mode> modes() {
    return List.of(Mode.EAGER_BACKEND);
  }

  @TestFactory
  Stream<DynamicTest> kernels() {
    return OpCases.all().stream()
        .filter(OpCase::mayHaveKernel)
        .filter(opCase -> device().context().kernel(KernelCheck.key(opCase)).isPresent())
        .map(
            opCase ->
                dynamicTest(opCase.name(), () -> KernelCheck.run(opCase, device().context())));
  }

  @TestFactory
  Stream<DynamicTest> tensors() {
    return modes().stream()
        .flatMap(mode -> OpCases.all().stream().map(opCase -> tensors(opCase, mode)));
  }

  private DynamicTest tensors(OpCase opCase, Mode mode) {
    return dynamicTest(mode + " " + opCase.name(), () -> TensorCheck.run(opCase, mode, device()));
  }

  @TestFactory
  Stream<DynamicTest> errors() {
    return ErrorCases.all().stream()
        .map(errorCase -> dynamicTest(errorCase.name(), () -> errorCase.run(device())));
  }
}
