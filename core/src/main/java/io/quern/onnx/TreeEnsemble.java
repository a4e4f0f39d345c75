package io.quern.onnx;

import io.quern.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Decision trees of ai.onnx.ml whose leaves' weights are aggregated: TreeEnsembleRegressor and
 * TreeEnsembleClassifier. Sums are taken in double precision.
 */
final class TreeEnsemble {
  /** Steps from a root to a leaf, for trees that are none. */
  private static final int DEEPEST = 1 << 16;

  private final String[] modes;
  private final int[] features;
  private final float[] thresholds;
  private final int[] yes;
  private final int[] no;
  private final boolean[] missingIsYes;
  private final int[] roots;
  private final Map<Integer, List<Vote>> votes = new HashMap<>();

  /** What a leaf says. */
  private record Vote(int target, double weight) {}

  /** A node of a tree in the file. */
  private record Id(long tree, long node) {}

  static void addTo(OpTable table) {
    table.eager("TreeEnsembleRegressor", 1, call -> OnnxValue.all(regress(call)));
    table.eager("TreeEnsembleClassifier", 1, TreeEnsemble::classify);
  }

  private TreeEnsemble(Call call, String leaf) {
    long[] trees = call.integersOf("nodes_treeids");
    long[] nodes = call.integersOf("nodes_nodeids");
    int count = nodes.length;
    this.modes = call.texts("nodes_modes").toArray(String[]::new);
    this.thresholds = call.numbers("nodes_values");
    this.features = ints(call.integersOf("nodes_featureids"));
    long[] whenTrue = call.integersOf("nodes_truenodeids");
    long[] whenFalse = call.integersOf("nodes_falsenodeids");
    long[] missing = call.integers("nodes_missing_value_tracks_true", new long[count]);
    if (thresholds == null
        || trees.length != count
        || modes.length != count
        || thresholds.length != count
        || features.length != count
        || whenTrue.length != count
        || whenFalse.length != count
        || (missing.length != count && missing.length != 0)) {
      throw call.error("the attributes nodes_* differ in length");
    }
    Map<Id, Integer> places = new HashMap<>();
    List<Integer> first = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      if (i == 0 || trees[i] != trees[i - 1]) {
        first.add(i);
      }
      places.put(new Id(trees[i], nodes[i]), i);
    }
    this.roots = first.stream().mapToInt(Integer::intValue).toArray();
    this.yes = new int[count];
    this.no = new int[count];
    this.missingIsYes = new boolean[count];
    for (int i = 0; i < count; i++) {
      if (!modes[i].equals("LEAF")) {
        yes[i] = place(call, places, new Id(trees[i], whenTrue[i]));
        no[i] = place(call, places, new Id(trees[i], whenFalse[i]));
        missingIsYes[i] = missing.length > 0 && missing[i] != 0;
      }
    }
    readVotes(call, leaf, places);
  }

  private void readVotes(Call call, String leaf, Map<Id, Integer> places) {
    long[] trees = call.integersOf(leaf + "_treeids");
    long[] nodes = call.integersOf(leaf + "_nodeids");
    long[] targets = call.integersOf(leaf + "_ids");
    float[] weights = call.numbers(leaf + "_weights");
    if (weights == null
        || trees.length != weights.length
        || nodes.length != weights.length
        || targets.length != weights.length) {
      throw call.error("the attributes %s_* differ in length", leaf);
    }
    for (int i = 0; i < weights.length; i++) {
      votes
          .computeIfAbsent(place(call, places, new Id(trees[i], nodes[i])), _ -> new ArrayList<>())
          .add(new Vote(Math.toIntExact(targets[i]), weights[i]));
    }
  }

  private static int place(Call call, Map<Id, Integer> places, Id id) {
    Integer place = places.get(id);
    if (place == null) {
      throw call.error("there is no node %d of tree %d", id.node, id.tree);
    }
    return place;
  }

  private static int[] ints(long[] values) {
    return Arrays.stream(values).mapToInt(Math::toIntExact).toArray();
  }

  private int leaf(Call call, int root, double[] x, int row) {
    int at = root;
    for (int depth = 0; !modes[at].equals("LEAF"); depth++) {
      if (depth == DEEPEST) {
        throw call.error("a tree has a cycle");
      }
      double value = x[row + features[at]];
      double threshold = thresholds[at];
      boolean is =
          switch (modes[at]) {
            case "BRANCH_LEQ" -> value <= threshold;
            case "BRANCH_LT" -> value < threshold;
            case "BRANCH_GTE" -> value >= threshold;
            case "BRANCH_GT" -> value > threshold;
            case "BRANCH_EQ" -> value == threshold;
            case "BRANCH_NEQ" -> value != threshold;
            default -> throw call.error("mode '%s' is not known", modes[at]);
          };
      at = is || (Double.isNaN(value) && missingIsYes[at]) ? yes[at] : no[at];
    }
    return at;
  }

  /** The aggregate of all trees for each row and target. */
  private double[][] scores(Call call, int targets) {
    Tensor input = call.known(0);
    int width = input.shape().intDim(-1);
    double[] x = input.toDoubleArray();
    for (int feature : features) {
      if (feature < 0 || feature >= width) {
        throw call.error("feature %d is out of range for %s", feature, input.shape());
      }
    }
    String aggregate = call.text("aggregate_function", "SUM");
    float[] base = call.numbers("base_values");
    double[][] scores = new double[width == 0 ? 0 : x.length / width][];
    for (int row = 0; row < scores.length; row++) {
      double[] sum = new double[targets];
      boolean[] seen = new boolean[targets];
      for (int root : roots) {
        for (Vote vote : votes.getOrDefault(leaf(call, root, x, row * width), List.of())) {
          int t = vote.target;
          sum[t] =
              switch (aggregate) {
                case "MIN" -> seen[t] ? Math.min(sum[t], vote.weight) : vote.weight;
                case "MAX" -> seen[t] ? Math.max(sum[t], vote.weight) : vote.weight;
                default -> sum[t] + vote.weight;
              };
          seen[t] = true;
        }
      }
      for (int t = 0; t < targets; t++) {
        sum[t] = aggregate.equals("AVERAGE") ? sum[t] / roots.length : sum[t];
        sum[t] += base == null || base.length != targets ? 0 : base[t];
      }
      scores[row] = sum;
    }
    return scores;
  }

  private static Tensor tensor(double[][] rows, int columns) {
    float[] flat = new float[Math.multiplyExact(rows.length, columns)];
    for (int i = 0; i < flat.length; i++) {
      flat[i] = (float) rows[i / columns][i % columns];
    }
    return Tensor.of(flat, rows.length, columns);
  }

  private static Tensor regress(Call call) {
    int targets = Math.toIntExact(call.integer("n_targets"));
    double[][] scores = new TreeEnsemble(call, "target").scores(call, targets);
    return MlOps.transformed(call, tensor(scores, targets));
  }

  private static OnnxValue[] classify(Call call) {
    TreeEnsemble trees = new TreeEnsemble(call, "class");
    int classes =
        Math.max(
            call.integers("classlabels_int64s", new long[0]).length,
            call.texts("classlabels_strings").size());
    boolean oneSided = classes == 2 && trees.allVotesAreFor(1);
    double[][] scores = trees.scores(call, classes);
    long[] best = new long[scores.length];
    boolean positive = trees.allVotesArePositive();
    for (int row = 0; row < scores.length; row++) {
      double[] each = scores[row];
      if (oneSided) {
        double score = each[0] + each[1];
        best[row] = score > (positive ? 0.5 : 0) ? 1 : 0;
        each[0] = positive ? 1 - score : -score;
        each[1] = score;
      } else {
        for (int t = 1; t < classes; t++) {
          best[row] = each[t] > each[(int) best[row]] ? t : best[row];
        }
      }
    }
    return new OnnxValue[] {
      MlOps.labels(call, Tensor.of(best), "classlabels_int64s", "classlabels_strings"),
      new OnnxValue.Dense(MlOps.transformed(call, tensor(scores, classes)))
    };
  }

  private boolean allVotesAreFor(int most) {
    return votes.values().stream().flatMap(List::stream).map(Vote::target).distinct().count()
        <= most;
  }

  private boolean allVotesArePositive() {
    return votes.values().stream().flatMap(List::stream).allMatch(vote -> vote.weight >= 0);
  }
}
