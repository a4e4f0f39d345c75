package io.quern.onnx;

import io.quern.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Decision trees whose leaves vote for targets, as arrays with an element for each node. Sums are
 * taken in double precision.
 *
 * @param modes what a node asks
 * @param features the column that a node looks at
 * @param thresholds what that is compared with
 * @param members for nodes of the mode {@link Mode#BRANCH_MEMBER}, the values that they look for
 * @param yes where it goes on when the answer is yes
 * @param no where it goes on otherwise
 * @param missingIsYes whether the answer for NaN is yes in any case
 * @param roots the first node of each tree
 * @param votes what each leaf says
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Forest(
    Mode[] modes,
    int[] features,
    double[] thresholds,
    Map<Integer, Set<Double>> members,
    int[] yes,
    int[] no,
    boolean[] missingIsYes,
    int[] roots,
    Map<Integer, List<Vote>> votes) {
  /** Steps from a root to a leaf, for trees that are none. */
  private static final int DEEPEST = 1 << 16;

  /** What a node asks about a value; named as in files. */
  enum Mode {
    LEAF,
    BRANCH_LEQ,
    BRANCH_LT,
    BRANCH_GTE,
    BRANCH_GT,
    BRANCH_EQ,
    BRANCH_NEQ,
    BRANCH_MEMBER
  }

  /** How votes become one number; named as in files. */
  enum Aggregate {
    AVERAGE,
    SUM,
    MIN,
    MAX;

    double joined(double sofar, double vote) {
      return switch (this) {
        case MIN -> Math.min(sofar, vote);
        case MAX -> Math.max(sofar, vote);
        default -> sofar + vote;
      };
    }
  }

  /** What a leaf says. */
  record Vote(int target, double weight) {}

  private boolean answer(int node, double value) {
    double threshold = thresholds[node];
    boolean is =
        switch (modes[node]) {
          case BRANCH_LEQ -> value <= threshold;
          case BRANCH_LT -> value < threshold;
          case BRANCH_GTE -> value >= threshold;
          case BRANCH_GT -> value > threshold;
          case BRANCH_EQ -> value == threshold;
          case BRANCH_NEQ -> value != threshold;
          case BRANCH_MEMBER -> members.get(node).contains(value + 0.0); // no -0
          case LEAF -> false;
        };
    return is || (Double.isNaN(value) && missingIsYes[node]);
  }

  private int leaf(Call call, int root, double[] x, int row) {
    int at = root;
    for (int depth = 0; modes[at] != Mode.LEAF; depth++) {
      if (depth == DEEPEST) {
        throw call.error("a tree has a cycle");
      }
      at = answer(at, x[row + features[at]]) ? yes[at] : no[at];
    }
    return at;
  }

  /**
   * The aggregate of all trees for each row of the input and each target.
   *
   * @param base what is added for each target; one number is for all
   */
  double[][] scores(Call call, int targets, Aggregate aggregate, double[] base) {
    Tensor input = call.known(0);
    int width = input.shape().intDim(-1);
    double[] x = input.toDoubleArray();
    check(call, targets, base, width);
    double[][] scores = new double[width == 0 ? 0 : x.length / width][];
    for (int row = 0; row < scores.length; row++) {
      double[] sum = new double[targets];
      boolean[] seen = new boolean[targets];
      for (int root : roots) {
        for (Vote vote : votes.getOrDefault(leaf(call, root, x, row * width), List.of())) {
          int t = vote.target;
          sum[t] = seen[t] ? aggregate.joined(sum[t], vote.weight) : vote.weight;
          seen[t] = true;
        }
      }
      for (int t = 0; t < targets; t++) {
        sum[t] = aggregate == Aggregate.AVERAGE ? sum[t] / roots.length : sum[t];
        sum[t] += base.length == 0 ? 0 : base[base.length == 1 ? 0 : t];
      }
      scores[row] = sum;
    }
    return scores;
  }

  private void check(Call call, int targets, double[] base, int width) {
    if (base.length > 1 && base.length != targets) {
      throw call.error("%d base values, expected 1 or %d", base.length, targets);
    }
    for (int node = 0; node < modes.length; node++) {
      if (modes[node] != Mode.LEAF && (features[node] < 0 || features[node] >= width)) {
        throw call.error("feature %d is out of range for rows of %d", features[node], width);
      }
    }
    for (int target : targets().toArray()) {
      if (target < 0 || target >= targets) {
        throw call.error("target %d is out of range for %d targets", target, targets);
      }
    }
  }

  /** The targets that leaves vote for. */
  private IntStream targets() {
    return votes.values().stream().flatMap(List::stream).mapToInt(Vote::target).distinct();
  }

  /** The only target that leaves vote for, or -1 when there are several or none. */
  int onlyTarget() {
    int[] all = targets().limit(2).toArray();
    return all.length == 1 ? all[0] : -1;
  }

  /** Whether no vote is negative. */
  boolean allVotesArePositive() {
    return votes.values().stream().flatMap(List::stream).allMatch(vote -> vote.weight >= 0);
  }

  /** The same numbers as ints. */
  static int[] ints(long[] values) {
    return Arrays.stream(values).mapToInt(Math::toIntExact).toArray();
  }
}
