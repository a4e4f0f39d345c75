package io.quern.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.op.AdamStep;
import io.quern.op.ArgReduce;
import io.quern.op.AttentionGrad;
import io.quern.op.Compare;
import io.quern.op.Fill;
import io.quern.op.IntegerMatMul;
import io.quern.op.Iota;
import io.quern.op.NormGrad;
import io.quern.op.Op;
import io.quern.op.Pool2dGrad;
import io.quern.op.QuantizedAdd;
import io.quern.op.QuantizedConv2d;
import io.quern.op.Random;
import io.quern.op.SgdStep;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The suite covers every op, and every constant of the enums that ops declare. */
class OpCasesTest {
  /** Ops whose results do not depend on tensors in a differentiable way, or that end a chain. */
  private static final Set<Class<?>> WITHOUT_GRADIENT =
      Set.of(
          Compare.class,
          IntegerMatMul.class,
          QuantizedConv2d.class,
          QuantizedAdd.class,
          Fill.class,
          Iota.class,
          Random.class,
          ArgReduce.class,
          Pool2dGrad.class,
          AttentionGrad.class,
          NormGrad.class,
          SgdStep.class,
          AdamStep.class);

  private static Stream<Class<?>> ops() {
    return records(Op.class);
  }

  private static Stream<Class<?>> records(Class<?> type) {
    return type.isSealed()
        ? Arrays.stream(type.getPermittedSubclasses()).flatMap(OpCasesTest::records)
        : Stream.of(type);
  }

  private static List<OpCase> casesOf(Class<?> op) {
    return OpCases.all().stream().filter(opCase -> op.isInstance(opCase.op())).toList();
  }

  @ParameterizedTest
  @MethodSource("ops")
  void everyOpHasCases(Class<?> op) {
    assertThat(casesOf(op)).isNotEmpty();
  }

  @ParameterizedTest
  @MethodSource("ops")
  void everyEnumConstantOfAnOpHasCases(Class<?> op) throws ReflectiveOperationException {
    for (RecordComponent component : op.getRecordComponents()) {
      if (op.equals(component.getType().getEnclosingClass())) {
        Set<Object> covered = values(casesOf(op), component);
        assertThat(covered)
            .as(component.toString())
            .contains(component.getType().getEnumConstants());
      }
    }
  }

  private static Set<Object> values(List<OpCase> cases, RecordComponent component)
      throws ReflectiveOperationException {
    Set<Object> values = new java.util.HashSet<>();
    for (OpCase opCase : cases) {
      values.add(component.getAccessor().invoke(opCase.op()));
    }
    return values;
  }

  @ParameterizedTest
  @MethodSource("ops")
  void everyDifferentiableOpHasGradientCheck(Class<?> op) {
    assertThat(casesOf(op).stream().anyMatch(OpCase::hasGradient))
        .isEqualTo(!WITHOUT_GRADIENT.contains(op));
  }

  @Test
  void namesAreUnique() {
    List<String> names =
        Stream.concat(
                OpCases.all().stream().map(OpCase::name),
                ErrorCases.all().stream().map(ErrorCase::name))
            .toList();
    assertThat(names).doesNotHaveDuplicates();
  }

  @Test
  void everyCaseSaysHowMuchWorkItIs() {
    assertThat(OpCases.all())
        .allSatisfy(
            opCase -> {
              assertThat(opCase.flops()).isNotNegative();
              assertThat(opCase.bytes()).isNotNegative();
            });
    OpCase product = OpCases.of(io.quern.op.MatMul.class).getFirst();
    assertThat(product.inputSpecs().stream().map(Object::toString).collect(Collectors.toList()))
        .containsExactly("F32[1, 1]", "F32[1, 1]");
    assertThat(product.flops()).isEqualTo(2);
    assertThat(product.bytes()).isEqualTo(12);
  }
}
