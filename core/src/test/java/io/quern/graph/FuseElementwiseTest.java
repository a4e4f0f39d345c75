package io.quern.graph;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Device;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Fused;
import io.quern.op.ScalarProgram;
import io.quern.op.TensorSpec;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class FuseElementwiseTest {
  /** The search goes on along all of them at once. */
  @Test
  void parallelChainsAreCutIntoProgramsOfBoundedLength() {
    Graph graph =
        Trace.of(
            in -> {
              List<Tensor> level = new ArrayList<>();
              for (int i = 0; i < 8; i++) {
                Tensor chain = in.getFirst();
                for (int step = 0; step < 10; step++) {
                  chain = chain.sigmoid();
                }
                level.add(chain);
              }
              while (level.size() > 1) {
                level.add(level.removeFirst().add(level.removeFirst()));
              }
              return level;
            },
            Device.cpu(),
            List.of(new TensorSpec(DType.F32, Shape.of(5))));
    List<ScalarProgram> programs =
        FuseElementwise.apply(graph).nodes().stream()
            .filter(node -> node.op() instanceof Fused)
            .map(node -> ((Fused) node.op()).program())
            .toList();
    assertThat(programs).hasSizeGreaterThan(1);
    assertThat(programs).allMatch(program -> program.steps().size() <= 48);
  }
}
