package io.quern.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.graph.Pass;
import io.quern.op.TensorSpec;
import io.quern.plan.Compiled;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.function.Executable;

/** All cases on one device; a module that brings a device extends it. */
@Tag("conformance")
public abstract class AbstractConformance {
  /** For extending classes. */
  protected AbstractConformance() {}

  /** The device under test. */
  protected abstract Device device();

  /** How tensors are computed. */
  protected List<Mode> modes() {
    return List.of(Mode.EAGER_BACKEND, Mode.PLAN_UNOPTIMISED, Mode.PLAN_OPTIMISED);
  }

  /**
   * Whether each case takes one of the modes, by turns, not all: what modes differ in depends
   * neither on the case nor on the device.
   */
  protected boolean takesTurns() {
    return false;
  }

  /** Whether a case, by its number, is run. */
  protected boolean runs(int index) {
    return true;
  }

  /**
   * Whether what has this number among its like is this process's, where several share the work.
   */
  protected boolean isOwn(int number) {
    return true;
  }

  /**
   * Whether tensors are computed for a case, by its number, or their gradients, or for a random
   * function. A case's kernel, if there is one, is checked by itself in any case.
   */
  protected boolean computesTensors(int number) {
    return true;
  }

  /** The device's kernel for each case, if there is one, and its tensors in all modes. */
  @TestFactory
  Stream<DynamicTest> kernelsAndTensors() {
    List<OpCase> cases = OpCases.all();
    return IntStream.range(0, cases.size())
        .filter(number -> runs(number) && isOwn(number))
        .boxed()
        .flatMap(number -> kernelAndTensors(cases.get(number), number));
  }

  private List<Mode> modes(int number) {
    return takesTurns() ? List.of(modes().get(number % modes().size())) : modes();
  }

  private Stream<DynamicTest> kernelAndTensors(OpCase opCase, int number) {
    Comparison comparison = new Comparison(opCase);
    Stream.Builder<DynamicTest> tests = Stream.builder();
    boolean hasKernel =
        opCase.mayHaveKernel() && device().context().kernel(KernelCheck.key(opCase)).isPresent();
    if (hasKernel) {
      tests.add(test("kernel", opCase, () -> KernelCheck.run(comparison, device().context())));
    }
    if (computesTensors(number)) {
      for (Mode mode : modes(number)) {
        tests.add(test(mode, opCase, () -> TensorCheck.run(comparison, mode, device())));
      }
    }
    return tests.build();
  }

  private static DynamicTest test(Object way, OpCase opCase, Executable check) {
    return dynamicTest(way + " " + opCase.name(), check);
  }

  /** Where only one mode is run, the kernels of gradients are compared with the reference alone. */
  @TestFactory
  Stream<DynamicTest> gradients() {
    boolean all = modes().size() > 1;
    List<OpCase> cases = OpCases.all();
    return IntStream.range(0, cases.size())
        .filter(number -> isOwn(number) && computesTensors(number))
        .mapToObj(cases::get)
        .filter(opCase -> all && opCase.hasGradient())
        .map(opCase -> dynamicTest(opCase.name(), () -> GradientCheck.run(opCase, device())));
  }

  /** Compiled functions have the bits of the same ops one by one, whatever passes are on. */
  @TestFactory
  Stream<DynamicTest> compiledFunctions() {
    return IntStream.range(0, 150)
        .filter(seed -> isOwn(seed) && computesTensors(seed))
        .mapToObj(seed -> dynamicTest("seed " + seed, () -> checkCompiled(seed)));
  }

  private void checkCompiled(long seed) {
    try (TensorScope _ = TensorScope.open()) {
      List<Tensor> weights = List.of(random(seed, 1, 4, 6), random(seed, 2, 6));
      List<Tensor> inputs =
          List.of(random(seed, 3, 4, 6), random(seed, 4, 6, 4), random(seed, 5, 4, 1));
      RandomFunction function = new RandomFunction(seed, weights);
      List<byte[]> expected = function.apply(inputs).stream().map(Tensor::toByteArray).toList();
      List<TensorSpec> specs = inputs.stream().map(Tensor::spec).toList();
      Compiled compiled = Quern.compile(device(), function, specs);
      List<Pass[]> choices = new ArrayList<>(List.of(new Pass[0], Pass.values()));
      for (Pass pass : Pass.values()) {
        choices.add(new Pass[] {pass});
      }
      for (Pass[] passes : choices) {
        Tensor[] results = compiled.with(passes).runAll(inputs.toArray(Tensor[]::new));
        for (int i = 0; i < results.length; i++) {
          assertThat(results[i].toByteArray())
              .as("output %d with passes %s", i, List.of(passes))
              .isEqualTo(expected.get(i));
        }
      }
    }
  }

  private Tensor random(long seed, long stream, long... shape) {
    return Rng.of(seed).fork(stream).normal(shape).to(device());
  }

  @TestFactory
  Stream<DynamicTest> errors() {
    List<ErrorCase> cases = ErrorCases.all();
    return IntStream.range(0, cases.size())
        .filter(this::isOwn)
        .mapToObj(cases::get)
        .map(errorCase -> dynamicTest(errorCase.name(), () -> errorCase.run(device())));
  }
}
