package io.quern.onnx;

import io.quern.DType;
import io.quern.Tensor;
import io.quern.TensorAccess;
import io.quern.op.Compare;
import java.util.Arrays;
import java.util.List;

/** Support vector machines of ai.onnx.ml: SVMRegressor and SVMClassifier. */
final class SupportVectors {
  /** Probabilities of pairs keep this distance from 0 and 1. */
  private static final double LEAST = 1e-7;

  /** Classes agree when they differ by less, divided by their number. */
  private static final double AGREEMENT = 0.005;

  private SupportVectors() {}

  static void addTo(OpTable table) {
    table.op("SVMRegressor", 1, SupportVectors::regress);
    table.values("SVMClassifier", 1, SupportVectors::classify);
  }

  /** Support vectors weighted by coefficients, or coefficients that are the only vector. */
  private static Tensor regress(Call call) {
    Tensor coefficients = MlOps.floats(call, "coefficients");
    long supports = call.integer("n_supports", 0);
    Tensor scores =
        supports > 0
            ? kernel(call, MlOps.floats(call, "support_vectors").reshape(supports, -1))
                .matmul(coefficients.reshape(supports, 1))
            : kernel(call, coefficients.reshape(1, -1));
    scores = scores.add(MlOps.floats(call, "rho"));
    return call.integer("one_class", 0) == 0 ? MlOps.transformed(call, scores) : sign(scores);
  }

  /** The kernel function of each row and each vector. */
  private static Tensor kernel(Call call, Tensor vectors) {
    Tensor x = MlOps.rows(call.in(0)).to(DType.F32);
    float[] given = call.numbers("kernel_params");
    float[] parameters = given == null || given.length != 3 ? new float[] {0, 0, 3} : given;
    String type = call.text("kernel_type", "LINEAR");
    if (type.equals("RBF")) {
      Tensor distance = ReduceOps.sum(x.unsqueeze(1).sub(vectors).square(), List.of(2), false);
      return distance.mul(-parameters[0]).exp();
    }
    Tensor product = x.matmul(vectors.transpose(0, 1));
    return switch (type) {
      case "LINEAR" -> product;
      case "POLY" -> product.mul(parameters[0]).add(parameters[1]).pow(parameters[2]);
      case "SIGMOID" -> product.mul(parameters[0]).add(parameters[1]).tanh();
      default -> throw call.error("kernel_type '%s' is not known", type);
    };
  }

  /** Labels, and scores of the classes or of their pairs. */
  private static OnnxValue[] classify(Call call) {
    long[] supports = call.integers("vectors_per_class", new long[0]);
    int classes =
        Math.max(
            call.integers("classlabels_ints", new long[0]).length,
            call.texts("classlabels_strings").size());
    int vectors = Math.toIntExact(Arrays.stream(supports).sum());
    if (vectors == 0) {
      Tensor weights = MlOps.floats(call, "coefficients").reshape(classes, -1);
      Tensor scores = kernel(call, weights).add(MlOps.floats(call, "rho").slice(0, 0, 1));
      return results(call, scores.argmax(1), MlOps.transformed(call, scores));
    }
    if (supports.length != classes || classes < 2) {
      throw call.error("vectors_per_class has %d numbers for %d labels", supports.length, classes);
    }
    Tensor scores =
        kernel(call, MlOps.floats(call, "support_vectors").reshape(vectors, -1))
            .matmul(weightsOfPairs(call, supports, vectors))
            .add(MlOps.floats(call, "rho"));
    Tensor best = sign(scores).matmul(sidesOfPairs(classes)).argmax(1);
    Tensor shown =
        call.hasAttribute("prob_a")
            ? MlOps.transformed(call, probabilities(call, scores, classes))
            : classes == 2 ? bothSides(call, scores) : MlOps.transformed(call, scores);
    return results(call, best, shown);
  }

  private static OnnxValue[] results(Call call, Tensor best, Tensor scores) {
    return new OnnxValue[] {
      MlOps.labels(call, best, "classlabels_ints", "classlabels_strings"),
      new OnnxValue.Dense(scores)
    };
  }

  /**
   * What two classes score. ONNX Runtime sets the standard here: the other transforms than LOGISTIC
   * are not applied to the one score there is, which is then taken from 1 instead of from 0.
   */
  private static Tensor bothSides(Call call, Tensor score) {
    return switch (call.text("post_transform", "NONE")) {
      case "NONE", "LOGISTIC" -> MlOps.transformed(call, Tensor.concat(1, score.neg(), score));
      default -> Tensor.concat(1, score.neg().add(1), score);
    };
  }

  private static Tensor sign(Tensor scores) {
    return scores.compare(Compare.Fn.GT, 0).to(DType.F32).mul(2).sub(1);
  }

  /**
   * What each vector weighs when class i is told from class j, in a column for each i < j: vectors
   * of class i have their coefficient in row j - 1, those of class j in row i.
   */
  private static Tensor weightsOfPairs(Call call, long[] supports, int vectors) {
    int classes = supports.length;
    double[] coefficients = Call.widened(call.numbers("coefficients"));
    int pairs = classes * (classes - 1) / 2;
    if (coefficients.length != (classes - 1) * vectors) {
      throw call.error(
          "%d coefficients for %d vectors of %d classes", coefficients.length, vectors, classes);
    }
    float[] weights = new float[vectors * pairs];
    int vector = 0;
    for (int own = 0; own < classes; own++) {
      for (long end = vector + supports[own]; vector < end; vector++) {
        for (int other = 0; other < classes; other++) {
          if (other != own) {
            int row = other < own ? other : other - 1;
            int pair = pair(Math.min(own, other), Math.max(own, other), classes);
            weights[vector * pairs + pair] = (float) coefficients[row * vectors + vector];
          }
        }
      }
    }
    return Tensor.of(weights, vectors, pairs);
  }

  /** The number of the pair i < j when pairs are in order. */
  private static int pair(int i, int j, int classes) {
    return i * (2 * classes - i - 1) / 2 + j - i - 1;
  }

  /** For each pair i < j a vote for i and one against j. */
  private static Tensor sidesOfPairs(int classes) {
    int pairs = classes * (classes - 1) / 2;
    float[] sides = new float[pairs * classes];
    for (int i = 0; i < classes; i++) {
      for (int j = i + 1; j < classes; j++) {
        sides[pair(i, j, classes) * classes + i] = 1;
        sides[pair(i, j, classes) * classes + j] = -1;
      }
    }
    return Tensor.of(sides, pairs, classes);
  }

  /** Probabilities of classes from the scores of their pairs, by Platt's scaling. */
  private static Tensor probabilities(Call call, Tensor scores, int classes) {
    Tensor odds = scores.mul(MlOps.floats(call, "prob_a")).add(MlOps.floats(call, "prob_b"));
    if (TensorAccess.isTraced(odds)) {
      throw new NeedsValue(call.label() + " couples probabilities until they agree");
    }
    double[] wins = odds.neg().sigmoid().toDoubleArray();
    int pairs = classes * (classes - 1) / 2;
    int rows = wins.length / pairs;
    float[] all = new float[rows * classes];
    double[][] r = new double[classes][classes];
    for (int row = 0; row < rows; row++) {
      for (int i = 0; i < classes; i++) {
        for (int j = i + 1; j < classes; j++) {
          double win = wins[row * pairs + pair(i, j, classes)];
          r[i][j] = Math.clamp(win, LEAST, 1 - LEAST);
          r[j][i] = 1 - r[i][j];
        }
      }
      double[] p = coupled(r);
      for (int i = 0; i < classes; i++) {
        all[row * classes + i] = (float) p[i];
      }
    }
    return Tensor.of(all, rows, classes);
  }

  /**
   * The probabilities that agree best with those of each pair: algorithm 2 of Wu, Lin and Weng,
   * <i>Probability Estimates for Multi-class Classification by Pairwise Coupling</i>, JMLR 5
   * (2004), with the stopping rule that its authors' library made the custom.
   *
   * @param r r[i][j] is the probability of i when it is i or j
   */
  private static double[] coupled(double[][] r) {
    int k = r.length;
    double[][] q = new double[k][k];
    for (int t = 0; t < k; t++) {
      for (int j = 0; j < k; j++) {
        if (j != t) {
          q[t][t] += r[j][t] * r[j][t];
          q[t][j] = -r[j][t] * r[t][j];
        }
      }
    }
    double[] p = new double[k];
    Arrays.fill(p, 1.0 / k);
    double[] qp = new double[k];
    for (int round = 0; round < Math.max(100, k); round++) {
      double pqp = 0;
      for (int t = 0; t < k; t++) {
        qp[t] = 0;
        for (int j = 0; j < k; j++) {
          qp[t] += q[t][j] * p[j];
        }
        pqp += p[t] * qp[t];
      }
      double middle = pqp;
      if (Arrays.stream(qp).allMatch(each -> Math.abs(each - middle) < AGREEMENT / k)) {
        break;
      }
      for (int t = 0; t < k; t++) {
        double step = (pqp - qp[t]) / q[t][t];
        pqp = (pqp + step * (step * q[t][t] + 2 * qp[t])) / ((1 + step) * (1 + step));
        p[t] += step;
        for (int j = 0; j < k; j++) {
          qp[j] = (qp[j] + step * q[t][j]) / (1 + step);
          p[j] /= 1 + step;
        }
      }
    }
    return p;
  }
}
