package io.quern;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.grad.Gradients;
import io.quern.op.Binary;
import io.quern.op.Gather;
import io.quern.op.LayerNorm;
import io.quern.op.Unary;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How long the memory of tensors lives. */
class StorageTest {
  private static int line() {
    return new Throwable().getStackTrace()[1].getLineNumber();
  }

  private static String closedAt(String method, int line) {
    return "close() at io.quern.StorageTest." + method + "(StorageTest.java:" + line + ")";
  }

  // ---- use after close --------------------------------------------------------------------

  @Test
  void useAfterCloseNamesTheCallersLine() {
    Tensor tensor = Tensor.ones(2, 2);
    int line = line() + 1;
    tensor.close();
    String where =
        "tensor F32[2, 2] was used after " + closedAt("useAfterCloseNamesTheCallersLine", line);
    assertThat(tensor.isClosed()).isTrue();
    Tensor other = Tensor.ones(2, 2);
    Map<String, Runnable> uses = new LinkedHashMap<>();
    uses.put("add", () -> other.add(tensor));
    uses.put("matmul", () -> tensor.matmul(other));
    uses.put("flip", () -> tensor.flip(0));
    uses.put("reshape", () -> tensor.reshape(4));
    uses.put("detach", tensor::detach);
    uses.put("get", () -> tensor.get(0, 0));
    uses.put("read", tensor::toFloatArray);
    uses.put("copyFrom", () -> tensor.copyFrom(other));
    uses.put(
        "neg", () -> Tensor.applyInto(new Unary(Unary.Fn.NEG), List.of(other), List.of(tensor)));
    uses.forEach(
        (op, use) ->
            assertThatIllegalStateException().isThrownBy(use::run).withMessage(op + ": " + where));
  }

  @Test
  void closersThatActForTheirCallersNameTheCaller() {
    Tensor input = Tensor.ones(1);
    Tensor target = Tensor.ones(1);
    int line = line() + 1;
    new Batch(input, target).close();
    assertThat(target)
        .asString()
        .endsWith(closedAt("closersThatActForTheirCallersNameTheCaller", line));
    Tensor leaf = Tensor.ones(1).requireGrad();
    Gradients gradients = leaf.mul(leaf).sum().backward();
    Tensor gradient = gradients.get(leaf);
    line = line() + 1;
    gradients.close();
    assertThat(gradient)
        .asString()
        .endsWith(closedAt("closersThatActForTheirCallersNameTheCaller", line));
  }

  @Test
  void closingTwiceIsClosingOnce() {
    Tensor base = Tensor.ones(2);
    Tensor view = base.flip(0);
    int line = line() + 1;
    view.close();
    view.close();
    assertThat(base.toFloatArray()).containsExactly(1, 1);
    assertThat(view)
        .hasToString("Tensor F32[2], closed by " + closedAt("closingTwiceIsClosingOnce", line));
  }

  // ---- sharing ----------------------------------------------------------------------------

  @Test
  void aViewKeepsTheMemoryOfAClosedBase() throws InterruptedException {
    long before = Live.settled();
    Tensor base = Tensor.arange(4, DType.F32);
    Tensor view = base.slice(0, 1, 3);
    base.close();
    assertThat(Live.bytes()).isGreaterThan(before);
    Tensor.zeros(4).close(); // would be given the same block if it were free
    assertThat(view.toFloatArray()).containsExactly(1, 2);
    assertThat(view.flip(0).toFloatArray()).containsExactly(2, 1);
    assertThatIllegalStateException().isThrownBy(base::toFloatArray);
  }

  @Test
  void theBaseOutlivesItsViews() throws InterruptedException {
    long before = Live.settled();
    Tensor base = Tensor.arange(4, DType.F32);
    base.reshape(2, 2).close();
    base.flip(0).close();
    assertThat(base.toFloatArray()).containsExactly(0, 1, 2, 3);
    base.close();
    assertThat(Live.bytes()).isEqualTo(before);
  }

  // ---- promptness -------------------------------------------------------------------------

  /** Each of these leaves nothing but its result behind. */
  private static Map<String, UnaryOperator<Tensor>> methods() {
    Map<String, UnaryOperator<Tensor>> methods = new LinkedHashMap<>();
    methods.put("get", tensor -> Tensor.scalar((float) tensor.get(1, 2)));
    methods.put("select", tensor -> tensor.select(1, 2));
    methods.put("mul", tensor -> tensor.mul(2));
    methods.put("compare", tensor -> tensor.compare(io.quern.op.Compare.Fn.GT, 1));
    methods.put("clamp", tensor -> tensor.clamp(0, 1));
    methods.put("mean", Tensor::mean);
    methods.put("meanKeep", tensor -> tensor.meanKeep(0));
    methods.put("reshape with copy", tensor -> tensor.reshape(12));
    methods.put("read", tensor -> Tensor.of(tensor.toDoubleArray()));
    methods.put("text", tensor -> Tensor.zeros(tensor.toString().length()));
    methods.put("to device", tensor -> tensor.to(Device.of("remote")));
    methods.put(
        "copyFrom",
        tensor -> {
          Tensor copy = tensor.contiguous();
          try (Tensor flipped = copy.flip(0)) {
            copy.copyFrom(flipped);
          }
          return copy;
        });
    methods.put("softmax", tensor -> tensor.softmax(0));
    methods.put(
        "layer norm",
        tensor -> {
          try (Tensor one = Tensor.full(1, DType.F32, tensor.device(), 4)) {
            return Tensor.apply(new LayerNorm(1, 0), tensor, one, one);
          }
        });
    return methods;
  }

  @Test
  void closingTheResultAndTheInputsGivesEverythingBack() throws InterruptedException {
    methods().values().forEach(method -> method.apply(Tensor.ones(3, 4)).close());
    long before = Live.settled();
    methods()
        .forEach(
            (name, method) -> {
              Tensor base = Tensor.arange(12, DType.F32);
              Tensor table = base.reshape(4, 3);
              Tensor turned = table.transpose(0, 1);
              method.apply(turned).close();
              List.of(base, table, turned).forEach(Tensor::close);
              assertThat(Live.bytes()).as(name).isEqualTo(before);
            });
  }

  @Test
  void opsThatFailGiveEverythingBack() throws InterruptedException {
    Tensor zero = Tensor.zeros(100).to(DType.I32);
    Tensor one = Tensor.ones(100).to(DType.I32);
    Tensor indices = Tensor.of(new long[] {5});
    Tensor remote = Tensor.arange(6, DType.F32).reshape(2, 3).to(Device.of("remote"));
    Tensor turned = remote.transpose(0, 1);
    Tensor far = indices.to(remote.device());
    long before = Live.settled();
    assertThatThrownBy(() -> one.div(zero)).hasMessage("div: integer division by zero");
    assertThat(Live.bytes()).isEqualTo(before);
    assertThatThrownBy(() -> Tensor.apply(new Gather(0), turned, far))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThat(Live.bytes()).isEqualTo(before);
    assertThat(List.of(zero, one, indices, remote, turned, far)).noneMatch(Tensor::isClosed);
  }

  @Test
  void aDecompositionGivesItsIntermediatesBack() throws InterruptedException {
    Tensor x = Tensor.full(1, DType.F64, Device.reference(), 8, 32);
    Tensor one = Tensor.full(1, DType.F64, Device.reference(), 32);
    Tensor.apply(new LayerNorm(1, 1e-5), x, one, one).close();
    long before = Live.settled();
    Tensor result = Tensor.apply(new LayerNorm(1, 1e-5), x, one, one);
    assertThat(Live.bytes()).isEqualTo(before + 8 * 32 * 8);
    result.close();
    assertThat(Live.bytes()).isEqualTo(before);
    x.close();
    one.close();
  }

  @Test
  void aBackwardPassLeavesOnlyTheGradients() throws InterruptedException {
    Tensor weight = Tensor.ones(16).requireGrad();
    Tensor fixed = Tensor.ones(16);
    long before = Live.settled();
    Tensor product = Tensor.concat(0, weight, fixed);
    Tensor square = product.square();
    Tensor loss = square.sum();
    Gradients gradients = loss.backward();
    List.of(product, square, loss).forEach(Tensor::close);
    assertThat(gradients.get(weight).toFloatArray()).containsOnly(2);
    gradients.close();
    assertThat(Live.bytes()).isEqualTo(before);
    weight.close();
    fixed.close();
  }

  // ---- forgetting -------------------------------------------------------------------------

  @Test
  void forgottenTensorsComeBack() throws InterruptedException {
    long before = Live.settled();
    Tensor last = Tensor.ones(1000);
    for (int i = 0; i < 300; i++) {
      last = last.add(1).reshape(10, 100).transpose(0, 1).reshape(1000);
    }
    assertThat(last.get(3)).isEqualTo(301);
    assertThat(Live.bytes()).isGreaterThan(before);
    last = Tensor.scalar(0);
    Live.awaitAtMost(before + 64);
    last.close();
    assertThat(Live.bytes()).isLessThanOrEqualTo(before);
  }

  @Test
  void forgottenGraphsComeBack() throws InterruptedException {
    Tensor weight = Tensor.ones(1000).requireGrad();
    long before = Live.settled();
    for (int i = 0; i < 50; i++) {
      Tensor loss = weight.mul(i).square().sum();
      assertThat(loss.backward().get(weight).size()).isEqualTo(1000);
    }
    Live.awaitAtMost(before);
    assertThat(weight.get(0)).isEqualTo(1);
  }

  @Test
  void theBudgetIsNamedWhenItIsExceeded() {
    assertThatExceptionOfType(OutOfMemoryError.class)
        .isThrownBy(() -> Tensor.zeros(1L << 50))
        .withMessageStartingWith("tensor memory: 4,503,599,627,370,496 bytes do not fit, ")
        .withMessageContaining("close tensors, use a TensorScope, or raise -Dquern.memory.limit");
  }

  // ---- threads ----------------------------------------------------------------------------

  /**
   * One thread closes tensors while others compute with them, and a third kind makes new ones that
   * take over freed memory and fill it with other numbers.
   */
  @Test
  @Timeout(60)
  void closingDuringUseGivesTheResultOrTheError() throws Exception {
    AtomicReference<Tensor> shared = new AtomicReference<>(Tensor.ones(257));
    int rounds = 3000;
    try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
      List<Future<Integer>> results = new ArrayList<>();
      Callable<Integer> use = () -> use(shared, rounds);
      results.add(threads.submit(use));
      results.add(threads.submit(use));
      results.add(
          threads.submit(
              () -> {
                for (int i = 0; i < rounds; i++) {
                  Tensor.full(-5, DType.F32, Device.cpu(), 257).close();
                }
                return 0;
              }));
      for (int i = 0; i < rounds; i++) {
        Tensor old = shared.getAndSet(Tensor.ones(257));
        if (i % 2 == 0) {
          old.close();
        } else {
          threads.execute(old::close);
        }
      }
      int right = 0;
      for (Future<Integer> result : results) {
        right += result.get();
      }
      assertThat(right).isPositive();
    }
  }

  private static int use(AtomicReference<Tensor> shared, int rounds) {
    int right = 0;
    for (int i = 0; i < rounds; i++) {
      Tensor tensor = shared.get();
      try (Tensor sum = Tensor.apply(new Binary(Binary.Fn.ADD), tensor, tensor)) {
        assertThat(sum.toFloatArray()).containsOnly(2);
        right++;
      } catch (IllegalStateException e) {
        assertThat(e)
            .hasMessageMatching(
                "add: tensor F32\\[257] was used after close\\(\\) (at io.quern|on thread pool).*");
      }
    }
    return right;
  }
}
