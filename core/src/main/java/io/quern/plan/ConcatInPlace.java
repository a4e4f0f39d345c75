package io.quern.plan;

import io.quern.op.Concat;
import io.quern.op.Layout;
import java.util.List;

/**
 * Lets what makes the parts of a concatenation write them where the result lies, when they lie
 * there one after another. What is left of the concatenation are copies of the parts that cannot.
 */
final class ConcatInPlace {
  private final List<Step> steps;
  private final Lowering lowering;

  private ConcatInPlace(List<Step> steps, Lowering lowering) {
    this.steps = steps;
    this.lowering = lowering;
  }

  /** Changes the steps of a plan whose results and writes have their places. */
  static void apply(Lowering lowering) {
    ConcatInPlace pass = new ConcatInPlace(lowering.steps(), lowering);
    for (int at = 0; at < pass.steps.size(); at++) {
      if (pass.steps.get(at).op() instanceof Concat concat && pass.join(at, concat)) {
        at--;
      }
    }
  }

  /** Treats one concatenation; false where it stays as it is. */
  private boolean join(int at, Concat concat) {
    Place whole = steps.get(at).outputs().getFirst();
    if (!(whole.memory() instanceof Memory.Temporary to) || !isFlat(whole.layout(), concat)) {
      return false;
    }
    int parts = steps.get(at).inputs().size();
    boolean[] moved = new boolean[parts];
    long[] offsets = new long[parts];
    long offset = whole.layout().offset();
    boolean any = false;
    for (int i = 0; i < parts; i++) {
      Place part = steps.get(at).inputs().get(i);
      offsets[i] = offset;
      moved[i] = canMove(part, to, at);
      if (moved[i]) {
        long by = offset;
        steps.replaceAll(step -> step.with(part.memory(), to, by));
        any = true;
      }
      offset += part.layout().shape().size();
    }
    if (!any) {
      return false;
    }
    List<Place> inputs = steps.remove(at).inputs();
    for (int i = parts - 1; i >= 0; i--) {
      if (!moved[i] && inputs.get(i).layout().shape().size() > 0) {
        Place part = inputs.get(i);
        Layout layout = Layout.contiguous(part.layout().shape()).moved(offsets[i]);
        steps.add(at, lowering.copyStep(part, new Place(to, part.dtype(), layout)));
      }
    }
    return true;
  }

  /** Whether the parts lie one after another in the result. */
  private static boolean isFlat(Layout layout, Concat concat) {
    int axis = layout.shape().axis(concat.axis());
    for (int i = 0; i < axis; i++) {
      if (layout.shape().dim(i) != 1) {
        return false;
      }
    }
    return true;
  }

  /**
   * Whether a part is a temporary that nobody changes once it is joined, and that nobody reads any
   * more when the result is written over.
   */
  private boolean canMove(Place part, Memory to, int at) {
    Memory from = part.memory();
    if (!(from instanceof Memory.Temporary) || from.equals(to) || !part.isWhole()) {
      return false;
    }
    boolean isWrittenOver = false;
    boolean isMade = false;
    for (int i = 0; i < steps.size(); i++) {
      Step step = steps.get(i);
      if (i <= at) {
        isMade |= step.writes(from);
        continue;
      }
      isWrittenOver |= step.writes(to);
      if (step.writes(from) || (isWrittenOver && step.reads(from))) {
        return false;
      }
    }
    return isMade;
  }
}
