package io.quern;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;

class TensorScopeTest {
  private static void onAnotherThread(Runnable work) throws InterruptedException {
    FutureTask<Boolean> task = new FutureTask<>(work, true);
    Thread thread = new Thread(task, "another");
    thread.start();
    try {
      task.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException exception) {
        throw exception;
      }
      throw new AssertionError(e);
    } finally {
      thread.join();
    }
  }

  @Test
  void tensorsMadeInsideCloseWithTheScope() {
    Tensor before = Tensor.ones(2);
    Tensor inside;
    Tensor view;
    Tensor kept;
    try (TensorScope scope = TensorScope.open()) {
      inside = before.add(1);
      view = before.reshape(2, 1);
      kept = scope.keep(before.mul(3));
      assertThat(inside.isClosed()).isFalse();
    }
    Tensor after = Tensor.ones(2);
    assertThat(inside.isClosed()).isTrue();
    assertThat(view.isClosed()).isTrue();
    assertThat(kept.toFloatArray()).containsExactly(3, 3);
    assertThat(before.toFloatArray()).containsExactly(1, 1);
    assertThat(after.isClosed()).isFalse();
  }

  @Test
  void keptTensorsGoToTheOuterScope() {
    Tensor kept;
    Tensor keptTwice;
    try (TensorScope outer = TensorScope.open()) {
      try (TensorScope inner = TensorScope.open()) {
        kept = inner.keep(Tensor.ones(1));
        keptTwice = outer.keep(inner.keep(Tensor.ones(1)));
      }
      assertThat(kept.isClosed()).isFalse();
    }
    assertThat(kept.isClosed()).isTrue();
    assertThat(keptTwice.isClosed()).isFalse();
  }

  @Test
  void keepingWhatWasMadeElsewhereChangesNothing() {
    Tensor before = Tensor.ones(1);
    try (TensorScope scope = TensorScope.open()) {
      assertThat(scope.keep(before)).isSameAs(before);
    }
    assertThat(before.isClosed()).isFalse();
  }

  @Test
  void useAfterTheScopeNamesTheLineThatClosedIt() {
    Tensor tensor;
    TensorScope scope = TensorScope.open();
    tensor = Tensor.ones(2, 3);
    int line = line() + 1;
    scope.close();
    assertThatIllegalStateException()
        .isThrownBy(() -> tensor.add(tensor))
        .withMessage(
            "add: tensor F32[2, 3] was used after a TensorScope closed at"
                + " io.quern.TensorScopeTest.useAfterTheScopeNamesTheLineThatClosedIt(TensorScopeTest.java:"
                + line
                + ")");
  }

  private static int line() {
    return new Throwable().getStackTrace()[1].getLineNumber();
  }

  @Test
  void useAfterALabelledScopeNamesTheLabel() {
    Tensor tensor;
    try (var _ = TensorScope.open("step 7")) {
      tensor = Tensor.ones(2);
    }
    assertThatIllegalStateException()
        .isThrownBy(tensor::toFloatArray)
        .withMessageEndingWith("tensor F32[2] was used after step 7 ended");
  }

  @Test
  void closingTwiceIsClosingOnce() {
    TensorScope outer = TensorScope.open();
    TensorScope inner = TensorScope.open();
    inner.close();
    Tensor tensor = Tensor.ones(1);
    inner.close();
    assertThat(tensor.isClosed()).isFalse();
    outer.close();
    assertThat(tensor.isClosed()).isTrue();
    assertThatIllegalStateException()
        .isThrownBy(() -> inner.keep(tensor))
        .withMessage("tensor scope: keep after close");
  }

  @Test
  void scopesEndInTheReverseOrder() {
    TensorScope outer = TensorScope.open();
    TensorScope inner = TensorScope.open();
    Tensor tensor = Tensor.ones(1);
    assertThatIllegalStateException()
        .isThrownBy(outer::close)
        .withMessage("tensor scope: closed before a scope opened inside of it");
    assertThat(tensor.isClosed()).isFalse();
    inner.close();
    assertThat(tensor.isClosed()).isTrue();
    outer.close();
  }

  @Test
  void aScopeBelongsToItsThread() throws InterruptedException {
    try (TensorScope scope = TensorScope.open()) {
      Tensor tensor = Tensor.ones(1);
      onAnotherThread(
          () -> {
            Tensor theirs = Tensor.ones(1);
            String owner = Thread.currentThread().getName();
            assertThat(owner).isEqualTo("another");
            assertThatIllegalStateException()
                .isThrownBy(scope::close)
                .withMessageStartingWith("tensor scope: close from another thread than ");
            assertThatIllegalStateException()
                .isThrownBy(() -> scope.keep(theirs))
                .withMessageStartingWith("tensor scope: keep from another thread than ");
          });
      assertThat(tensor.isClosed()).isFalse();
    }
  }

  @Test
  void tensorsOfOtherThreadsAreNotClosed() throws InterruptedException {
    List<Tensor> theirs = new ArrayList<>();
    try (var _ = TensorScope.open()) {
      onAnotherThread(() -> theirs.add(Tensor.ones(1)));
    }
    assertThat(theirs.getFirst().isClosed()).isFalse();
  }

  @Test
  void aScopeAroundALongLoopDoesNotGrowWithClosedTensors() {
    TensorScope scope = TensorScope.open();
    Tensor one = Tensor.ones(1);
    Tensor kept = scope.keep(one.add(1));
    int largest = 0;
    for (int i = 0; i < 20_000; i++) {
      one.add(one).close();
      largest = Math.max(largest, scope.size());
    }
    assertThat(largest).isLessThan(1000);
    List<Tensor> open = new ArrayList<>();
    for (int i = 0; i < 5000; i++) {
      open.add(one.detach());
    }
    scope.close();
    assertThat(open).allMatch(Tensor::isClosed);
    assertThat(one.isClosed()).isTrue();
    assertThat(kept.isClosed()).isFalse();
  }

  @Test
  void aForgottenScopeDoesNotKeepTensors() throws InterruptedException {
    long before = Live.settled();
    onAnotherThread(
        () -> {
          TensorScope.open("forgotten");
          try {
            for (int round = 0; round < 2; round++) {
              for (int i = 0; i < 100; i++) {
                Tensor.zeros(10_000);
              }
              Live.awaitAtMost(before);
            }
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
          Tensor tensor;
          try (var _ = TensorScope.open()) {
            tensor = Tensor.ones(1);
          }
          assertThat(tensor.isClosed()).isTrue();
        });
    assertThat(Live.bytes()).isLessThanOrEqualTo(before);
  }

  @Test
  void anExceptionInsideClosesTheScope() {
    List<Tensor> made = new ArrayList<>();
    assertThatIllegalStateException()
        .isThrownBy(
            () -> {
              try (var _ = TensorScope.open()) {
                made.add(Tensor.ones(1));
                throw new IllegalStateException("from inside");
              }
            })
        .withMessage("from inside");
    assertThat(made.getFirst().isClosed()).isTrue();
  }
}
