package io.quern.cpu.math;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.cpu.Simd;
import io.quern.cpu.VectorTier;
import java.lang.classfile.ClassFile;
import java.lang.classfile.MethodModel;
import java.lang.classfile.attribute.CodeAttribute;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.reflect.AccessFlag;
import java.util.List;
import java.util.function.IntConsumer;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whether vectors of this JVM's width give the bits of {@link ScalarMath}. */
@Tag("conformance")
@EnabledIf(value = "hasVectorApi", disabledReason = "this JVM has no module jdk.incubator.vector")
class VectorMathTest {
  static boolean hasVectorApi() {
    return ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
  }

  enum Twins {
    EXP(ScalarMath::exp, VectorMath::exp),
    EXP_NEGATIVE(ScalarMath::expNegative, VectorMath::expNegative),
    LOG(ScalarMath::log, VectorMath::log),
    SIN(ScalarMath::sin, VectorMath::sin),
    COS(ScalarMath::cos, VectorMath::cos),
    TANH(ScalarMath::tanh, VectorMath::tanh),
    SIGMOID(ScalarMath::sigmoid, VectorMath::sigmoid),
    ERF(ScalarMath::erf, VectorMath::erf),
    GELU(ScalarMath::gelu, VectorMath::gelu),
    SILU(ScalarMath::silu, VectorMath::silu),
    SOFTPLUS(ScalarMath::softplus, VectorMath::softplus),
    RINT(ScalarMath::rint, VectorMath::rint),
    FLOOR(ScalarMath::floor, VectorMath::floor),
    CEIL(ScalarMath::ceil, VectorMath::ceil),
    SIGN(ScalarMath::sign, VectorMath::sign),
    RELU(ScalarMath::relu, VectorMath::relu),
    NAN_MASK(ScalarMath::nanMask, VectorMath::nanMask);

    interface OfVector {
      FloatVector apply(FloatVector x);
    }

    final MathFunction.OfFloat scalar;
    final OfVector vector;

    Twins(MathFunction.OfFloat scalar, OfVector vector) {
      this.scalar = scalar;
      this.vector = vector;
    }
  }

  /** Collects floats into vectors and compares both functions on each. */
  private static final class Comparison implements IntConsumer {
    private final Twins twins;
    private final float[] x = new float[Simd.LANES];
    private final float[] y = new float[Simd.LANES];
    private int count;

    Comparison(Twins twins) {
      this.twins = twins;
    }

    @Override
    public void accept(int bits) {
      x[count++] = Float.intBitsToFloat(bits);
      if (count == x.length) {
        compare();
      }
    }

    void compare() {
      twins.vector.apply(FloatVector.fromArray(Simd.F32, x, 0)).intoArray(y, 0);
      for (int i = 0; i < count; i++) {
        float expected = twins.scalar.apply(x[i]);
        if (Float.floatToIntBits(y[i]) != Float.floatToIntBits(expected)) {
          assertThat(y[i])
              .as("%s(%s) in lane %s of %s", twins, x[i], i, Simd.F32)
              .isEqualTo(expected);
        }
      }
      count = 0;
    }
  }

  @ParameterizedTest
  @EnumSource
  void hasTheBitsOfItsScalarTwin(Twins twins) {
    assumeTrue(VectorTier.chosen().usesApi(), () -> VectorTier.chosen().reason());
    Comparison comparison = new Comparison(twins);
    for (MathFunction function : MathFunction.values()) {
      if (function.name().equals(twins.name())) {
        function.sample(150_001, comparison);
      }
    }
    MathFunction.TANH.sample(150_001, comparison);
    comparison.compare();
  }

  @Tag("soak")
  @ParameterizedTest
  @EnumSource
  void hasTheBitsOfItsScalarTwinEverywhere(Twins twins) {
    assumeTrue(VectorTier.chosen().usesApi(), () -> VectorTier.chosen().reason());
    Comparison comparison = new Comparison(twins);
    MathFunction.TANH.sample(twins == Twins.SIN || twins == Twins.COS ? 101 : 3, comparison);
    comparison.compare();
  }

  /**
   * What the class promises to the compiler: C2 inlines methods up to {@code FreqInlineSize}, 325
   * bytes, and vectors cross no call but those into the Vector API.
   */
  @Test
  void inlines() throws Exception {
    byte[] bytes;
    try (var in = VectorMath.class.getResourceAsStream("VectorMath.class")) {
      bytes = in.readAllBytes();
    }
    List<MethodModel> functions =
        ClassFile.of().parse(bytes).methods().stream()
            .filter(method -> method.flags().has(AccessFlag.PUBLIC))
            .toList();
    assertThat(functions).hasSize(Twins.values().length);
    for (MethodModel function : functions) {
      String name = function.methodName().stringValue();
      assertThat(((CodeAttribute) function.code().orElseThrow()).codeLength())
          .as("bytes of %s", name)
          .isLessThanOrEqualTo(325);
      assertThat(function.code().orElseThrow().elementStream())
          .as("calls of %s", name)
          .noneMatch(
              element ->
                  element instanceof InvokeInstruction call
                      && call.owner().asInternalName().startsWith("io/quern")
                      && call.type().stringValue().contains("Vector"));
    }
  }
}
