package io.quern.cpu.conv;

import io.quern.cpu.MachineTier;
import io.quern.cpu.asm.MachineFunction;

/** By machine code, for processes that have it. */
final class MachineWinogradTransform extends WinogradTransform {

  private final MachineFunction input =
      MachineTier.place("winograd_input", new WinogradCode().input());
  private final MachineFunction output =
      MachineTier.place("winograd_output", new WinogradCode().output());
  private final MachineFunction gradient =
      MachineTier.place("winograd_gradient", new WinogradCode().gradient());
  private final MachineFunction weights =
      MachineTier.place("winograd_weights", new WinogradCode().weights());
  private final MachineFunction weightGrad =
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
    input.call(x0, x1, x2, x3, x4, x5, next, to, step, toNext, count, bytes);
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
      long bytes,
      float least) {
    long bits = Float.floatToRawIntBits(least);
    output.call(from, step, next, bias, y0, y1, y2, y3, toNext, count, bytes, bits);
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
    gradient.call(y0, y1, y2, y3, next, to, step, toNext, count, bytes);
  }

  @Override
  void weights(
      long from, long tap, long next, long to, long step, long toNext, int count, long bytes) {
    weights.call(from, tap, next, to, step, toNext, count, bytes);
  }

  @Override
  void weightGrad(long from, long step, long to, long toStep, long bytes) {
    weightGrad.call(from, step, to, toStep, bytes);
  }
}
