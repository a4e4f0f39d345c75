package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.onnx.Forest.Aggregate;
import io.quern.onnx.Forest.Mode;
import io.quern.onnx.Forest.Vote;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Decision trees of ai.onnx.ml: TreeEnsembleRegressor and TreeEnsembleClassifier, whose nodes have
 * names, and TreeEnsemble, whose nodes are numbered.
 */
final class TreeEnsemble {
  /** Modes by their numbers in TreeEnsemble. */
  private static final Mode[] MODES = {
    Mode.BRANCH_LEQ,
    Mode.BRANCH_LT,
    Mode.BRANCH_GTE,
    Mode.BRANCH_GT,
    Mode.BRANCH_EQ,
    Mode.BRANCH_NEQ,
    Mode.BRANCH_MEMBER
  };

  /** Aggregates by their numbers in TreeEnsemble. */
  private static final Aggregate[] AGGREGATES = {
    Aggregate.AVERAGE, Aggregate.SUM, Aggregate.MIN, Aggregate.MAX
  };

  /** Transforms by their numbers in TreeEnsemble. */
  private static final List<String> TRANSFORMS =
      List.of("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT");

  private TreeEnsemble() {}

  /** A node of a tree in the file. */
  private record Id(long tree, long node) {}

  static void addTo(OpTable table) {
    table.eager("TreeEnsembleRegressor", 1, call -> OnnxValue.all(regress(call)));
    table.eager("TreeEnsembleClassifier", 1, TreeEnsemble::classify);
    table.eager("TreeEnsemble", 5, call -> OnnxValue.all(numbered(call)));
  }

  // ---- nodes with names --------------------------------------------------------------------

  private static Forest named(Call call, String leaf) {
    long[] trees = call.integersOf("nodes_treeids");
    long[] nodes = call.integersOf("nodes_nodeids");
    int count = nodes.length;
    List<String> modes = call.texts("nodes_modes");
    double[] thresholds = numbers(call, "nodes_values");
    int[] features = Forest.ints(call.integersOf("nodes_featureids"));
    long[] whenTrue = call.integersOf("nodes_truenodeids");
    long[] whenFalse = call.integersOf("nodes_falsenodeids");
    long[] missing = call.integers("nodes_missing_value_tracks_true", new long[0]);
    if (thresholds == null
        || trees.length != count
        || modes.size() != count
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
    Forest forest =
        new Forest(
            modes.stream().map(name -> mode(call, name)).toArray(Mode[]::new),
            features,
            thresholds,
            Map.of(),
            new int[count],
            new int[count],
            new boolean[count],
            first.stream().mapToInt(Integer::intValue).toArray(),
            votes(call, leaf, places));
    for (int i = 0; i < count; i++) {
      if (forest.modes()[i] != Mode.LEAF) {
        forest.yes()[i] = place(call, places, new Id(trees[i], whenTrue[i]));
        forest.no()[i] = place(call, places, new Id(trees[i], whenFalse[i]));
        forest.missingIsYes()[i] = missing.length > 0 && missing[i] != 0;
      }
    }
    return forest;
  }

  private static Mode mode(Call call, String name) {
    for (Mode mode : Mode.values()) {
      if (mode.name().equals(name) && mode != Mode.BRANCH_MEMBER) {
        return mode;
      }
    }
    throw call.error("mode '%s' is not known", name);
  }

  private static Map<Integer, List<Vote>> votes(Call call, String leaf, Map<Id, Integer> places) {
    long[] trees = call.integersOf(leaf + "_treeids");
    long[] nodes = call.integersOf(leaf + "_nodeids");
    long[] targets = call.integersOf(leaf + "_ids");
    double[] weights = numbers(call, leaf + "_weights");
    if (weights == null
        || trees.length != weights.length
        || nodes.length != weights.length
        || targets.length != weights.length) {
      throw call.error("the attributes %s_* differ in length", leaf);
    }
    Map<Integer, List<Vote>> votes = new HashMap<>();
    for (int i = 0; i < weights.length; i++) {
      votes
          .computeIfAbsent(place(call, places, new Id(trees[i], nodes[i])), _ -> new ArrayList<>())
          .add(new Vote(Math.toIntExact(targets[i]), weights[i]));
    }
    return votes;
  }

  private static int place(Call call, Map<Id, Integer> places, Id id) {
    Integer place = places.get(id);
    if (place == null) {
      throw call.error("there is no node %d of tree %d", id.node, id.tree);
    }
    return place;
  }

  /** The numbers of an attribute, or of the one that is a tensor since version 3, or null. */
  private static double @Nullable [] numbers(Call call, String name) {
    float[] floats = call.numbers(name);
    return floats == null || floats.length == 0
        ? elements(call, name + "_as_tensor")
        : Call.widened(floats);
  }

  private static double[] base(Call call) {
    double[] base = numbers(call, "base_values");
    return base == null ? new double[0] : base;
  }

  private static Tensor tensor(double[][] rows, int columns, DType dtype) {
    double[] flat = new double[Math.multiplyExact(rows.length, columns)];
    for (int i = 0; i < flat.length; i++) {
      flat[i] = rows[i / columns][i % columns];
    }
    return OnnxValue.doubles(dtype, Shape.of(rows.length, columns), flat);
  }

  private static Tensor regress(Call call) {
    int targets = Math.toIntExact(call.integer("n_targets"));
    String name = call.text("aggregate_function", "SUM");
    Aggregate aggregate =
        Arrays.stream(AGGREGATES)
            .filter(each -> each.name().equals(name))
            .findAny()
            .orElseThrow(() -> call.error("aggregate_function '%s' is not known", name));
    double[][] scores = named(call, "target").scores(call, targets, aggregate, base(call));
    return MlOps.transformed(call, tensor(scores, targets, DType.F32));
  }

  /** Where there are two classes and all votes are for one of them, they tell for the second. */
  private static OnnxValue[] classify(Call call) {
    Forest trees = named(call, "class");
    int classes =
        Math.max(
            call.integers("classlabels_int64s", new long[0]).length,
            call.texts("classlabels_strings").size());
    int only = classes == 2 ? trees.onlyTarget() : -1;
    String transform = call.text("post_transform", "NONE");
    boolean isShare =
        trees.allVotesArePositive() && (transform.equals("NONE") || transform.equals("PROBIT"));
    double[][] scores = trees.scores(call, classes, Aggregate.SUM, base(call));
    long[] best = new long[scores.length];
    for (int row = 0; row < scores.length; row++) {
      double[] each = scores[row];
      if (only >= 0) {
        double score = each[only];
        best[row] = score > (isShare ? 0.5 : 0) ? 1 : 0;
        each[0] = isShare ? 1 - score : -score;
        each[1] = score;
      } else {
        for (int t = 1; t < classes; t++) {
          best[row] = each[t] > each[(int) best[row]] ? t : best[row];
        }
      }
    }
    return new OnnxValue[] {
      MlOps.labels(call, Tensor.of(best), "classlabels_int64s", "classlabels_strings"),
      new OnnxValue.Dense(MlOps.transformed(call, tensor(scores, classes, DType.F32)))
    };
  }

  // ---- numbered nodes ----------------------------------------------------------------------

  /** The elements of an attribute that is a tensor, or null. */
  private static double @Nullable [] elements(Call call, String name) {
    return call.constant(name) instanceof OnnxValue.Dense(Tensor tensor, ElementType _)
        ? tensor.toDoubleArray()
        : null;
  }

  private static double[] elementsOf(Call call, String name) {
    double[] elements = elements(call, name);
    if (elements == null) {
      throw call.error("attribute '%s' must be a tensor of numbers", name);
    }
    return elements;
  }

  private static <T> T chosen(Call call, String attribute, long fallback, List<T> all) {
    long number = call.integer(attribute, fallback);
    if (number < 0 || number >= all.size()) {
      throw call.error("%s is %d, expected 0 to %d", attribute, number, all.size() - 1);
    }
    return all.get((int) number);
  }

  private static Tensor numbered(Call call) {
    int targets = Math.toIntExact(call.integer("n_targets", 1));
    Aggregate aggregate = chosen(call, "aggregate_function", 1, List.of(AGGREGATES));
    double[][] scores = numberedForest(call).scores(call, targets, aggregate, new double[0]);
    Tensor result = tensor(scores, targets, call.in(0).dtype());
    return MlOps.transformed(call, result, chosen(call, "post_transform", 0, TRANSFORMS));
  }

  /** Leaves come after the nodes that branch. */
  private static Forest numberedForest(Call call) {
    double[] codes = elementsOf(call, "nodes_modes");
    int branches = codes.length;
    double[] splits = elementsOf(call, "nodes_splits");
    int[] features = Forest.ints(call.integersOf("nodes_featureids"));
    long[] missing = call.integers("nodes_missing_value_tracks_true", new long[0]);
    if (splits.length != branches
        || features.length != branches
        || (missing.length != branches && missing.length != 0)) {
      throw call.error("the attributes nodes_* differ in length");
    }
    long[] targets = call.integersOf("leaf_targetids");
    double[] weights = elementsOf(call, "leaf_weights");
    if (targets.length != weights.length) {
      throw call.error("%d leaf_targetids and %d leaf_weights", targets.length, weights.length);
    }
    int count = branches + weights.length;
    Mode[] modes = new Mode[count];
    Arrays.fill(modes, Mode.LEAF);
    boolean[] missingIsYes = new boolean[count];
    for (int i = 0; i < branches; i++) {
      if (codes[i] < 0 || codes[i] >= MODES.length) {
        throw call.error("mode %d is not known, expected 0 to %d", (long) codes[i], MODES.length);
      }
      modes[i] = MODES[(int) codes[i]];
      missingIsYes[i] = missing.length > 0 && missing[i] != 0;
    }
    Map<Integer, List<Vote>> votes = new HashMap<>();
    for (int i = 0; i < weights.length; i++) {
      votes.put(branches + i, List.of(new Vote(Math.toIntExact(targets[i]), weights[i])));
    }
    int[] roots = Forest.ints(call.integersOf("tree_roots"));
    for (int root : roots) {
      if (root < 0 || root >= branches) {
        throw call.error("tree root %d is out of range for %d nodes", root, branches);
      }
    }
    return new Forest(
        modes,
        Arrays.copyOf(features, count),
        Arrays.copyOf(splits, count),
        members(call, modes),
        next(call, "true", branches, weights.length),
        next(call, "false", branches, weights.length),
        missingIsYes,
        roots,
        votes);
  }

  /** Where nodes go on for an answer. */
  private static int[] next(Call call, String answer, int branches, int leaves) {
    long[] nodes = call.integersOf("nodes_" + answer + "nodeids");
    long[] isLeaf = call.integersOf("nodes_" + answer + "leafs");
    if (nodes.length != branches || isLeaf.length != branches) {
      throw call.error("the attributes nodes_%s* must have %d elements", answer, branches);
    }
    int[] next = new int[branches];
    for (int i = 0; i < branches; i++) {
      int most = isLeaf[i] != 0 ? leaves : branches;
      if (nodes[i] < 0 || nodes[i] >= most) {
        throw call.error("node %d is out of range for nodes_%snodeids", nodes[i], answer);
      }
      next[i] = Math.toIntExact(isLeaf[i] != 0 ? branches + nodes[i] : nodes[i]);
    }
    return next;
  }

  /** The sets that nodes look into, one after another in the order of the nodes, each with NaN. */
  private static Map<Integer, Set<Double>> members(Call call, Mode[] modes) {
    Map<Integer, Set<Double>> members = new HashMap<>();
    double[] values = elements(call, "membership_values");
    int at = 0;
    for (int i = 0; i < modes.length; i++) {
      if (modes[i] == Mode.BRANCH_MEMBER) {
        Set<Double> set = new HashSet<>();
        for (; values != null && at < values.length && !Double.isNaN(values[at]); at++) {
          set.add(values[at] + 0.0);
        }
        at++;
        members.put(i, set);
      }
    }
    return members;
  }
}
