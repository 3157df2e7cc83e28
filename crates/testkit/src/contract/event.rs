//! The rules of events.

use turbocat_domain::{
    execution::ExecutionStatus,
    id::{EventId, ExecutionId, UserId},
    port::{NewEvent, NewExecution, RepositoryError, WaitRecord},
};

use super::{
    ContractStore, Scene,
    scene::{a_wait, claim, far_future, far_past, finish, ids_of, park, status},
};
use crate::builder::{a_completion, an_event};

/// An event wakes the parked executions that wait for its name, and no others.
pub async fn an_event_wakes_those_that_wait_for_its_name(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let mut waiting = Vec::new();
    for name in ["order.paid", "order.paid", "order.shipped"] {
        let id = scene.running(store, worker).await.id;
        park(store, worker, id, vec![a_wait("pay", name)]).await;
        waiting.push(id);
    }

    let woken = store.publish(&an_event(&scene.ids, scene.user.id, "order.paid")).await.unwrap();
    assert_eq!(woken, 2);
    assert_eq!(ids_of(&claim(store, worker).await), waiting[..2]);
    let nobody = store.publish(&an_event(&scene.ids, scene.user.id, "order.lost")).await.unwrap();
    assert_eq!(nobody, 0);
}

/// An event with one target wakes it alone, also when others wait for the name.
pub async fn an_event_with_a_target_wakes_it_alone(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let target = scene.running(store, worker).await.id;
    park(store, worker, target, vec![a_wait("ask", "approval")]).await;
    let other = scene.running(store, worker).await.id;
    park(store, worker, other, vec![a_wait("ask", "approval")]).await;

    let event =
        NewEvent { target: Some((target, "ask".to_owned())), ..an_event(&scene.ids, scene.user.id, "approval") };
    assert_eq!(store.publish(&event).await.unwrap(), 1);
    assert_eq!(ids_of(&claim(store, worker).await), [target]);
}

/// An owned execution that waits hears of its event by mail.
pub async fn an_owned_execution_hears_of_an_event_by_mail(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    park(store, worker, id, vec![a_wait("ask", "order.paid")]).await;
    store.make_due(id).await;
    assert_eq!(ids_of(&claim(store, worker).await), [id]);

    assert_eq!(store.publish(&an_event(&scene.ids, scene.user.id, "order.paid")).await.unwrap(), 1);
    let mail = store.take_mail(worker).await.unwrap();
    assert_eq!(mail.iter().map(|mail| mail.id).collect::<Vec<_>>(), [id]);
    assert_eq!(store.take_mail(worker).await.unwrap(), [], "once for all that came in");
}

/// What an execution waited for before it was parked again, or before it ended, wakes it no more.
pub async fn a_wait_that_is_over_wakes_nobody(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    park(store, worker, id, vec![a_wait("a", "first")]).await;
    store.make_due(id).await;
    claim(store, worker).await;
    park(store, worker, id, vec![a_wait("b", "second")]).await;
    assert_eq!(store.publish(&an_event(&scene.ids, scene.user.id, "first")).await.unwrap(), 0);
    assert_eq!(claim(store, worker).await, []);

    store.make_due(id).await;
    let claimed = claim(store, worker).await;
    finish(store, worker, a_completion(&claimed[0])).await;
    assert_eq!(store.publish(&an_event(&scene.ids, scene.user.id, "second")).await.unwrap(), 0);
    assert_eq!(status(store, id).await, ExecutionStatus::Completed);
}

/// The events of a name are read oldest first: those for all, and those for this step alone.
pub async fn events_are_read_oldest_first_for_all_or_for_one_step(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let executions = scene.accept(store, 2).await;
    let (one, other) = (executions[0], executions[1]);
    let targets =
        [None, Some((one, "ask".to_owned())), Some((one, "other".to_owned())), Some((other, "ask".to_owned())), None];
    let events = targets.map(|target| NewEvent { target, ..an_event(&scene.ids, scene.user.id, "approval") });
    for event in &events {
        store.publish(event).await.unwrap();
        store.tick().await;
    }
    store.publish(&an_event(&scene.ids, scene.user.id, "something else")).await.unwrap();

    let received = store.received("approval", far_past(), (one, "ask")).await.unwrap();
    let ids: Vec<_> = received.iter().map(|event| event.id).collect();
    assert_eq!(ids, [events[0].id, events[1].id, events[4].id]);
    assert_eq!(received[1].payload, events[1].payload);
    assert!(received.is_sorted_by_key(|event| event.received_at));
    let since = received[1].received_at;
    assert_eq!(store.received("approval", since, (one, "ask")).await.unwrap(), received[1..], "`since` counts");
    assert_eq!(store.received("approval", far_future(), (one, "ask")).await.unwrap(), []);
}

/// An event is stored once, and only from a user who is there.
pub async fn an_event_is_stored_once_and_has_a_sender(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let event = an_event(&scene.ids, scene.user.id, "order.paid");
    store.publish(&event).await.unwrap();
    let again = store.publish(&event).await;
    assert!(matches!(again, Err(RepositoryError::AlreadyExists { .. })), "{again:?}");
    let nobodys = an_event(&scene.ids, scene.nobody(UserId::from_uuid), "order.paid");
    let refused = store.publish(&nobodys).await;
    assert!(matches!(refused, Err(RepositoryError::BrokenReference { .. })), "{refused:?}");

    let target = (scene.accept(store, 1).await[0], "a");
    assert_eq!(store.received("order.paid", far_past(), target).await.unwrap().len(), 1);
}

/// An event of another user wakes nobody, neither by its name nor as its one target, be it parked or owned.
pub async fn an_event_of_another_user_wakes_nobody(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (worker, stranger) = (scene.worker(store).await, scene.another_user(store).await);
    let id = scene.running(store, worker).await.id;
    let foreign = [None, Some((id, "ask".to_owned()))]
        .map(|target| NewEvent { target, ..an_event(&scene.ids, stranger.id, "approval") });
    let own = an_event(&scene.ids, scene.user.id, "approval");
    let wait = || WaitRecord { since: far_future(), ..a_wait("ask", "approval") };

    park(store, worker, id, vec![wait()]).await;
    assert_eq!(store.publish(&foreign[0]).await.unwrap(), 0);
    assert_eq!(store.publish(&foreign[1]).await.unwrap(), 0);
    assert_eq!(claim(store, worker).await, [], "it is parked still");
    assert_eq!(store.publish(&own).await.unwrap(), 1);
    assert_eq!(ids_of(&claim(store, worker).await), [id]);

    for event in foreign {
        let event = NewEvent { id: scene.nobody(EventId::from_uuid), ..event };
        assert_eq!(store.publish(&event).await.unwrap(), 0);
    }
    assert_eq!(store.take_mail(worker).await.unwrap(), [], "nor does its owner get mail");
}

/// An event of another user is not received, neither by its name nor as its one target; nor is any by an execution
/// that is not there.
pub async fn an_event_of_another_user_is_not_received(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let stranger = scene.another_user(store).await;
    let own = scene.accept(store, 1).await[0];
    let theirs = NewExecution { user_id: stranger.id, ..scene.new_execution() };
    store.insert(std::slice::from_ref(&theirs), None).await.unwrap();
    let mut published = Vec::new();
    for (sender, target) in [(scene.user.id, None), (stranger.id, None), (stranger.id, Some((own, "ask".to_owned())))] {
        let event = NewEvent { target, ..an_event(&scene.ids, sender, "approval") };
        store.publish(&event).await.unwrap();
        published.push(event.id);
        store.tick().await;
    }

    let received = async |id| {
        let events = store.received("approval", far_past(), (id, "ask")).await.unwrap();
        events.iter().map(|event| event.id).collect::<Vec<_>>()
    };
    assert_eq!(received(own).await, published[..1]);
    assert_eq!(received(theirs.id).await, published[1..2]);
    assert_eq!(received(scene.nobody(ExecutionId::from_uuid)).await, []);
}
