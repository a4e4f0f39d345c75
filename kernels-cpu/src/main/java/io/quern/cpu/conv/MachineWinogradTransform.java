package io.quern.cpu.conv;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.quern.cpu.MachineTier;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** By machine code, for processes that have it. */
final class MachineWinogradTransform extends WinogradTransform {
  private static final MethodHandle INPUT =
      MachineTier.function(
          FunctionDescriptor.ofVoid(
              JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
              JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG));
  private static final MethodHandle OUTPUT =
      MachineTier.function(
          FunctionDescriptor.ofVoid(
              JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
              JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG));
  private static final MethodHandle GRADIENT =
      MachineTier.function(
          FunctionDescriptor.ofVoid(
              JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
              JAVA_LONG, JAVA_INT, JAVA_LONG));
  private static final MethodHandle WEIGHTS =
      MachineTier.function(
          FunctionDescriptor.ofVoid(
              JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT,
              JAVA_LONG));
  private static final MethodHandle WEIGHT_GRAD =
      MachineTier.function(
          FunctionDescriptor.ofVoid(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG));

  private final MemorySegment input =
      MachineTier.place("winograd_input", new WinogradCode().input());
  private final MemorySegment output =
      MachineTier.place("winograd_output", new WinogradCode().output());
  private final MemorySegment gradient =
      MachineTier.place("winograd_gradient", new WinogradCode().gradient());
  private final MemorySegment weights =
      MachineTier.place("winograd_weights", new WinogradCode().weights());
  private final MemorySegment weightGrad =
      MachineTier.place("winograd_weight_grad", new WinogradCode().weightGrad());

  @Override
  void input(
      long x0,
      long x1,
      long x2,
      long x3,
      long x4,
      long x5,
      long next,
      long to,
      long step,
      long toNext,
      int count,
      long bytes) {
    try {
      INPUT.invokeExact(input, x0, x1, x2, x3, x4, x5, next, to, step, toNext, count, bytes);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @Override
  void output(
      long from,
      long step,
      long next,
      long bias,
      long y0,
      long y1,
      long y2,
      long y3,
      long toNext,
      int count,
      long bytes) {
    try {
      OUTPUT.invokeExact(output, from, step, next, bias, y0, y1, y2, y3, toNext, count, bytes);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @Override
  void gradient(
      long y0,
      long y1,
      long y2,
      long y3,
      long next,
      long to,
      long step,
      long toNext,
      int count,
      long bytes) {
    try {
      GRADIENT.invokeExact(gradient, y0, y1, y2, y3, next, to, step, toNext, count, bytes);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @Override
  void weights(
      long w0,
      long w1,
      long w2,
      long next,
      long to,
      long step,
      long toNext,
      int count,
      long bytes) {
    try {
      WEIGHTS.invokeExact(weights, w0, w1, w2, next, to, step, toNext, count, bytes);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @Override
  void weightGrad(long from, long step, long to, long toStep, long bytes) {
    try {
      WEIGHT_GRAD.invokeExact(weightGrad, from, step, to, toStep, bytes);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
