package io.quern.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.TensorSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConcatInPlaceTest {
  private static final Shape SHAPE = Shape.of(1, 3, 5);

  /** A function, and its steps: one for each op but joins in place, and for each copy. */
  static Stream<Arguments> functions() {
    return Stream.of(
        function("parts made for it", 3, x -> cat(x.cumSum(1), x.cumSum(2))),
        function("an argument", 3, x -> cat(x, x.cumSum(1))),
        function("arguments only", 2, x -> cat(x, x)),
        function("a part twice", 3, x -> twice(x.cumSum(1))),
        function("a part that the result is written over", 6, x -> writtenLater(x.cumSum(1))),
        function("a view of a part", 4, x -> cat(x.cumSum(1).flip(2), x.cumSum(2).flip(1))),
        function("a joined part", 6, x -> cat(cat(x.cumSum(1), x.cumSum(2)), x.neg().cumSum(1))),
        function("a joined tensor that is written over", 7, x -> overwritten(x.cumSum(1))),
        function("parts apart", 4, x -> Tensor.concat(2, x.cumSum(1), x.cumSum(2)).cumSum(1)));
  }

  private static Arguments function(String name, int steps, UnaryOperator<Tensor> function) {
    return Arguments.of(name, steps, function);
  }

  /** Joined along the axis of the channels and used, so that the result is no output. */
  private static Tensor cat(Tensor... parts) {
    return Tensor.concat(1, parts).cumSum(1);
  }

  private static Tensor twice(Tensor part) {
    return cat(part, part);
  }

  private static Tensor writtenLater(Tensor part) {
    Tensor joined = cat(part, part.cumSum(2));
    return joined.sum().add(part.cumSum(2));
  }

  private static Tensor overwritten(Tensor part) {
    Tensor joined = Tensor.concat(1, part, part.cumSum(2));
    Tensor changed = joined.neg().cumSum(1);
    return changed.sum().add(part);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("functions")
  void resultsAreThoseOfOpsOneByOne(String name, int steps, UnaryOperator<Tensor> function) {
    Tensor x = Rng.of(1).normal(SHAPE, 0, 1);
    try (Compiled compiled = Quern.compile(function, x.spec())) {
      assertThat(compiled.run(x).toFloatArray()).isEqualTo(function.apply(x).toFloatArray());
      assertThat(compiled.plan().steps()).as(compiled.plan().describe()).isEqualTo(steps);
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void randomGraphsHaveTheirResults(long seed) {
    Random random = new Random(seed);
    for (int i = 0; i < 40; i++) {
      long graph = random.nextLong();
      Function<List<Tensor>, List<Tensor>> function =
          inputs -> randomGraph(new Random(graph), inputs.getFirst());
      Tensor x = Rng.of(graph).normal(SHAPE, 0, 1);
      TensorSpec spec = new TensorSpec(DType.F32, SHAPE);
      try (Compiled compiled = Quern.compile(Device.cpu(), function, List.of(spec))) {
        Tensor[] found = compiled.runAll(x);
        List<Tensor> expected = function.apply(List.of(x));
        for (int j = 0; j < found.length; j++) {
          assertThat(found[j].toFloatArray())
              .as("graph %d, result %d", graph, j)
              .isEqualTo(expected.get(j).toFloatArray());
        }
      }
    }
  }

  /** Ops on values made before, joins among them; some values are results. */
  private static List<Tensor> randomGraph(Random random, Tensor x) {
    List<Tensor> values = new ArrayList<>(List.of(x));
    for (int i = 0; i < 12; i++) {
      Tensor a = values.get(random.nextInt(values.size()));
      Tensor b = values.get(random.nextInt(values.size()));
      Tensor made =
          switch (random.nextInt(6)) {
            case 0 -> a.neg();
            case 1 -> a.cumSum(1);
            case 2 -> a.flip(2);
            case 3 -> a.abs().add(b.max());
            default -> Tensor.concat(1, a, b);
          };
      if (made.shape().dim(1) < 100) {
        values.add(made);
      }
    }
    List<Tensor> results = new ArrayList<>();
    results.add(values.getLast().neg());
    results.add(values.get(values.size() / 2).add(1));
    results.add(values.get(random.nextInt(values.size())).mul(2));
    return results;
  }
}
