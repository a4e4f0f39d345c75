package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.ChildJvm;
import io.quern.DType;
import io.quern.Device;
import io.quern.Tensor;
import io.quern.op.Attention;
import io.quern.op.Conv2d;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.Op;
import io.quern.op.Pool2d;
import io.quern.op.Window;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is chosen, and said, under the options a JVM may have been started with. */
class VectorTierTest {
  private static final String OTHERS = "others: [9.0, 144.0, 16.0, 1.0, 1.0, 0.0, 1.0, 3.0, 1.0]";
  private static final String MODULE = "--add-modules=jdk.incubator.vector";

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        MODULE + "                            | -bit vectors (the CPU's width)",
        MODULE + " -Dquern.vectorBits=128     | 128-bit vectors (set by quern.vectorBits)",
        MODULE + " -Dquern.vectorBits=77      | expected 128, 256 or 512, found 77",
        MODULE + " -Dquern.vector=maybe       | quern.vector: expected on or off, found maybe",
        MODULE + " -Dquern.vector=off         | faster: remove quern.vector=off",
        MODULE
            + " -Dquern.asm=no             | no machine code: quern.asm: expected on or off, found"
            + " no",
        MODULE + " -Dquern.amx=no             | machine code",
        "-Dquern.threads=1 | start java with --add-modules jdk.incubator.vector",
        MODULE + " -Xint                      | faster: remove -Xint",
        MODULE + " -XX:TieredStopAtLevel=1    | faster: remove -XX:TieredStopAtLevel",
        MODULE + " -XX:-UseFMA                | scalar loops with double accumulators",
      })
  void saysWhatIsUsedAndHowToBeFaster(String options, String expected) {
    List<String> all = new ArrayList<>(List.of(options.split(" +")));
    all.add("--enable-native-access=ALL-UNNAMED");
    String output = ChildJvm.run(all, Child.class);
    assertThat(output).contains(expected).contains("3.0 7.0").contains(OTHERS);
  }

  /** Child process: what the CPU says of itself, and a result. */
  static final class Child {
    private Child() {}

    public static void main(String[] args) {
      System.out.println(Device.cpu().describe());
      Tensor sums = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2).matmul(Tensor.ones(2, 1));
      System.out.println(sums.get(0, 0) + " " + sums.get(1, 0));
      System.out.println("others: " + others());
    }

    /** Each kernel that has twins, as ones of which each result is the sum of few. */
    private static List<Double> others() {
      Tensor images = Tensor.ones(1, 16, 16, 16);
      Tensor rows = Tensor.ones(2, 8);
      Tensor queries = Tensor.ones(1, 1, 4, 8);
      Op norm = new LayerNorm(1, 1e-5);
      Op oneChannel = new Conv2d(Window.of(3), 16);
      return Stream.of(
              Tensor.apply(oneChannel, images, Tensor.ones(16, 1, 3, 3)),
              Tensor.apply(new Conv2d(Window.of(3), 1), images, Tensor.ones(16, 16, 3, 3)),
              Tensor.apply(new Conv2d(Window.of(1).stride(2), 1), images, Tensor.ones(4, 16, 1, 1)),
              Tensor.apply(new Pool2d(Pool2d.Fn.MAX, Window.of(2).stride(2), false), images),
              Tensor.apply(norm, rows, Tensor.ones(8), Tensor.ones(8)),
              Tensor.apply(new LogSoftmax(1), rows).add(Math.log(8)),
              Tensor.apply(new Attention(1, false), queries, queries, queries),
              Tensor.ones(3, 3).to(DType.F64).matmul(Tensor.ones(3, 3).to(DType.F64)),
              rows.transpose(0, 1).contiguous())
          .map(result -> (double) Math.round(result.reshape(-1).to(DType.F64).toDoubleArray()[0]))
          .toList();
    }
  }
}
